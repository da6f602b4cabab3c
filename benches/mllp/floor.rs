//! B: what no server that keeps its messages can be much faster than.
//!
//! One thread a connection; one writer that appends all that waits and syncs it once.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::Failure;
use crate::message::{END, START, frames};

#[derive(Default)]
struct Log {
    state: Mutex<State>,
    appended: Condvar,
    synced: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    appended_bytes: u64,
    durable_bytes: u64,
}

/// Listens on a loopback port until the process ends.
pub(crate) fn start(path: &Path) -> Result<SocketAddr, Failure> {
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    let file = File::create(path)?;
    let log = Arc::new(Log::default());
    let writer = Arc::clone(&log);
    std::thread::spawn(move || writer.write(file));
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || serve(stream, &log));
        }
    });
    Ok(address)
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut file: File) -> std::io::Result<()> {
        let mut batch = Vec::new();
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() {
                state = self.appended.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            batch.clear();
            std::mem::swap(&mut batch, &mut state.waiting);
            let durable_bytes = state.appended_bytes;
            drop(state);
            file.write_all(&batch)?;
            file.sync_data()?;
            self.state().durable_bytes = durable_bytes;
            self.synced.notify_all();
        }
    }

    /// Returns when the bytes are on disk.
    fn keep(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.waiting.extend_from_slice(bytes);
        state.appended_bytes += bytes.len() as u64;
        let end = state.appended_bytes;
        self.appended.notify_one();
        while state.durable_bytes < end {
            state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn serve(mut stream: TcpStream, log: &Log) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let count = stream.read(&mut chunk)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
        buffer.extend_from_slice(read);
        let (messages, rest) = frames(&buffer);
        let answers: Vec<u8> = messages.iter().flat_map(|message| answer(message)).collect();
        if !answers.is_empty() {
            log.keep(&messages.concat());
            stream.write_all(&answers)?;
        }
        buffer = rest.to_vec();
    }
}

fn answer(message: &[u8]) -> Vec<u8> {
    let control_id = message.split(|byte| *byte == b'|').nth(9).unwrap_or_default();
    let head =
        b"MSH|^~\\&|SERVER|CLINIC|EHR|HOSPITAL|20261120101500||ACK^S12^ACK|1|P|2.5.1\rMSA|AA|";
    [&[START], head.as_slice(), control_id, b"\r", &END].concat()
}
