//! The client: connections that send, wait for the answer, check it, and send the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use appointd::clock::Stopwatch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;
use crate::message::{Phones, framed, frames};

/// How long is sent before anything counts.
const WARM_UP: Duration = Duration::from_millis(200);
/// Numbers go on through the whole run, so that no message is sent twice.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What is sent where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) phones: Phones,
    /// Without the warm-up.
    pub(crate) lasts: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Of each message, sorted.
    latencies: Vec<Duration>,
    lasted: Duration,
    /// Used by the whole process but this client.
    cpu_seconds: f64,
}

impl Tally {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.lasted.as_secs_f64()
    }

    pub(crate) fn latency_ms(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is an index"
        )]
        let index = (last * part) as usize;
        self.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }

    pub(crate) fn cpu_seconds_per_1000(&self) -> f64 {
        self.cpu_seconds * 1e3 / self.latencies.len().max(1) as f64
    }
}

/// Sends from a thread of its own.
pub(crate) fn run(load: Load) -> Result<Tally, Failure> {
    let client = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(send(load))
    });
    client.join().map_err(|_panic| "the client panicked")?
}

async fn send(load: Load) -> Result<Tally, Failure> {
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(load.address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let watch = Arc::new(Stopwatch::start());
    let mut talks = JoinSet::new();
    for stream in streams {
        talks.spawn(converse(stream, load, Arc::clone(&watch)));
    }
    tokio::time::sleep(WARM_UP).await;
    let before = others_cpu()?;
    tokio::time::sleep(load.lasts).await;
    let cpu_seconds = others_cpu()? - before;
    let mut latencies = Vec::new();
    while let Some(talk) = talks.join_next().await {
        latencies.extend(talk??);
    }
    latencies.sort_unstable();
    Ok(Tally { latencies, lasted: load.lasts, cpu_seconds })
}

/// One connection; the latencies of what was answered in the measured time come back.
async fn converse(
    mut stream: TcpStream,
    load: Load,
    watch: Arc<Stopwatch>,
) -> Result<Vec<Duration>, Failure> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let control_id = format!("{number:010}");
        let message = framed(&control_id, number, load.phones);
        let sent = Stopwatch::start();
        stream.write_all(&message).await?;
        buffer.clear();
        while frames(&buffer).0.is_empty() {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the server has hung up".into());
            }
        }
        let latency = sent.elapsed();
        check(&buffer, &control_id)?;
        let now = watch.elapsed();
        if now > WARM_UP + load.lasts {
            return Ok(latencies);
        }
        if now > WARM_UP {
            latencies.push(latency);
        }
    }
}

/// Exactly one answer, which accepts exactly this message.
fn check(bytes: &[u8], control_id: &str) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(bytes);
    let msa = text.split('\r').find_map(|segment| segment.strip_prefix("MSA|"));
    let mut fields = msa.unwrap_or_default().split('|');
    let is_right = (fields.next(), fields.next()) == (Some("AA"), Some(control_id))
        && matches!(frames(bytes), (answers, []) if answers.len() == 1);
    if is_right { Ok(()) } else { Err(format!("{control_id} was answered by {text:?}").into()) }
}

/// Processor seconds of the process, this thread's apart.
fn others_cpu() -> Result<f64, Failure> {
    let ticks = |path| -> Result<f64, Failure> {
        let text = std::fs::read_to_string(path)?;
        // The name in parentheses may hold blanks; user and system time are the 14th and 15th.
        let (_, fields) = text.rsplit_once(')').ok_or("/proc/self/stat is of another form")?;
        let times = fields.split_whitespace().skip(11).take(2);
        Ok(times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum())
    };
    // Linux counts in hundredths of a second.
    Ok((ticks("/proc/self/stat")? - ticks("/proc/thread-self/stat")?) / 100.0)
}
