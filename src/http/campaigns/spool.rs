//! The body of a list on its way to the disk: a file without a name, looked at as it grows.
//!
//! Knows nothing of what stands in it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::Context;
use crate::http::problem;
use crate::outreach::encoding::{Scout, Scouted};
use crate::outreach::list::FILE_BYTES_MAX;

/// How long nothing may come of a list that is being sent.
const SILENT_WITHIN: Duration = Duration::from_secs(60);
/// How many pieces of a list wait for the disk.
const PIECES_MAX: usize = 16;

/// Takes the body into a file without a name, and looks at its bytes on the way.
pub(super) async fn spooled(
    context: &Context,
    request: Request,
) -> Result<(File, Scouted), Response> {
    has_room(context, request.headers())?;
    let folder = context.outreach.folder.clone();
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES_MAX);
    let writing = tokio::task::spawn_blocking(move || -> io::Result<(File, Scouted)> {
        let mut file = BufWriter::new(tempfile::tempfile_in(folder)?);
        let mut scout = Scout::default();
        while let Some(piece) = pieces.blocking_recv() {
            scout.feed(&piece);
            file.write_all(&piece)?;
        }
        Ok((file.into_inner().map_err(io::IntoInnerError::into_error)?, scout.finish()))
    });
    let mut body = request.into_body().into_data_stream();
    let mut bytes = 0_u64;
    loop {
        let piece = match tokio::time::timeout(SILENT_WITHIN, body.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(cut_short(StatusCode::BAD_REQUEST)),
            Err(_) => return Err(cut_short(StatusCode::REQUEST_TIMEOUT)),
        };
        bytes = bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if bytes > FILE_BYTES_MAX {
            return Err(too_long());
        }
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    let spooled = writing.await.map_err(|_| no_spool())?;
    spooled.map_err(|_| no_spool())
}

/// Refuses what would fill the disk that the store is on.
fn has_room(context: &Context, headers: &HeaderMap) -> Result<(), Response> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length: u64 = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    if length > FILE_BYTES_MAX {
        return Err(too_long());
    }
    // Its rows come into the store besides, each larger than its line.
    let wanted = length.saturating_mul(4);
    match context.handle.store().free_bytes() {
        Ok(free) if free < wanted => {
            let detail = "the disk has no room for this list";
            Err(problem(StatusCode::INSUFFICIENT_STORAGE, detail, Some("body")))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn too_long() -> Response {
    problem(StatusCode::PAYLOAD_TOO_LARGE, "a list has at most 1 GiB: part it", Some("body"))
}

fn cut_short(status: StatusCode) -> Response {
    problem(status, "the list did not come to its end", Some("body"))
}

pub(super) fn no_spool() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the list cannot be kept, try again later", None)
}
