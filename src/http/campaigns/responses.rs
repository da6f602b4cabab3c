//! `GET /campaigns/{id}/responses`: what was answered, as it is read from the store.

use std::io::{self, Read as _, Write};
use std::path::Path as Folder;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Context, find, key, problem, unreadable};
use crate::core::campaign::{Campaign, CampaignKind, SessionId};
use crate::core::flow::Program;
use crate::core::local_time::Zone;
use crate::engine::view::View;
use crate::outreach::responses::{
    BadWish, Columns, Error, Format, Key, Layout, Numbers, Output, Plan, Wanted,
};

/// How much is sent at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// How many chunks wait for a slow reader.
const CHUNKS_MAX: usize = 4;

/// What is asked for, as it stands in an address.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Choice {
    /// `column` or `row`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// `csv`, `json` or `xlsx`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whether names, phones and the columns of the list are left out.
    pub anonymous: bool,
    /// Columns that stay all the same, parted by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// Whether the words are left out.
    pub without_words: bool,
}

impl Choice {
    /// Reads it.
    ///
    /// # Errors
    /// The part that cannot be read, and why.
    pub fn read(&self) -> Result<(Wanted, Format), (&'static str, &'static str)> {
        let layout = self.layout.as_deref().map_or_else(|| Some(Layout::default()), Layout::parse);
        let format = self.format.as_deref().map_or_else(|| Some(Format::default()), Format::parse);
        let layout = layout.ok_or(("layout", "write column or row"))?;
        let format = format.ok_or(("format", "write csv, json or xlsx"))?;
        let keep = self.keep.as_deref().unwrap_or_default().split(',').map(str::trim);
        let wanted = Wanted {
            layout,
            is_anonymous: self.anonymous,
            keep: keep.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            without_words: self.without_words,
        };
        Ok((wanted, format))
    }
}

/// Where responses are read from.
#[derive(Debug)]
pub struct Source<'a> {
    /// The reading side.
    pub view: &'a View,
    /// The campaign.
    pub campaign: &'a Campaign,
    /// The zone of times.
    pub zone: Zone,
    /// What numbers in place of names are made with.
    pub key: Key,
    /// Where a workbook is put together.
    pub scratch: &'a Folder,
}

/// Why responses cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What is asked for.
    #[error(transparent)]
    Wish(#[from] BadWish),
    /// The store.
    #[error("the responses cannot be read")]
    Store,
    /// Where they are written.
    #[error(transparent)]
    Write(#[from] Error),
}

impl From<crate::engine::batch::Error> for Refusal {
    fn from(_: crate::engine::batch::Error) -> Self {
        Self::Store
    }
}

/// Writes the responses of a campaign.
///
/// # Errors
/// If what is asked for cannot be had, or reading or writing fails.
pub fn write_responses<W: Write>(
    source: &Source<'_>,
    wanted: &Wanted,
    format: Format,
    sink: W,
) -> Result<W, Refusal> {
    let Source { view, campaign, .. } = source;
    let sources = view.flow_sources(&campaign.program)?.ok_or(Refusal::Store)?;
    // A flow that was taken once and is refused now still has its answers by row.
    let program = Program::restore(&sources).ok();
    let questions = program.map(|program| program.questions()).unwrap_or_default();
    let questions = questions.into_iter().map(|question| question.name).collect();
    let mut columns = Columns::default();
    for session in view.recipients(&campaign.id) {
        columns.add(&session?);
        // A list gives all of them the same columns.
        if campaign.kind == CampaignKind::List {
            break;
        }
    }
    let numbers = Numbers::new(source.key.clone());
    let names = columns.into_names();
    let plan = Plan::new(wanted, &names, questions, numbers.clone(), source.zone)?;
    let mut output = Output::new(sink, format, plan.header(), source.scratch)?;
    if wanted.is_anonymous {
        for row in numbers.order(&campaign.id, view.recipient_rows(&campaign.id)?) {
            let id = SessionId { campaign: campaign.id.clone(), row };
            let Some(session) = view.recipient(&id)? else { continue };
            plan.rows(&session).iter().try_for_each(|row| output.row(row))?;
        }
    } else {
        for session in view.recipients(&campaign.id) {
            plan.rows(&session?).iter().try_for_each(|row| output.row(row))?;
        }
    }
    Ok(output.finish()?)
}

pub(super) async fn send(
    State(context): State<Context>,
    Path(id): Path<String>,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Response {
    let Ok(Query(choice)) = choice else {
        let detail = "write layout, format, anonymous, keep and without_words, each once";
        return problem(StatusCode::BAD_REQUEST, detail, Some("query"));
    };
    let (wanted, format) = match choice.read() {
        Ok(read) => read,
        Err((field, detail)) => return problem(StatusCode::BAD_REQUEST, detail, Some(field)),
    };
    let campaign = match find(&context, &id).await {
        Ok(row) => row,
        Err(refusal) => return refusal,
    };
    let means = std::sync::Arc::clone(&context.outreach);
    let view = context.handle.view();
    let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
    let name = format!("{}-responses.{}", campaign.id, format.name());
    let _writing = tokio::task::spawn_blocking(move || {
        let kept = means.is_kept.then_some(means.folder.as_path());
        let key = match means.key.get() {
            Some(key) => Ok(key.clone()),
            None => key(kept).map(|made| means.key.get_or_init(|| made).clone()),
        };
        let sink = Pipe { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK_BYTES) };
        let written = key.map_err(|refusal| Refusal::Write(refusal.into())).and_then(|key| {
            let zone = means.rules().practice.zone;
            let (campaign, scratch) = (&campaign, means.folder.as_path());
            let source = Source { view: &view, campaign, zone, key, scratch };
            write_responses(&source, &wanted, format, sink)
        });
        if let Err(refusal) = written {
            // Who has hung up is told nothing.
            let _told = sender.blocking_send(Err(refusal)).is_ok();
        }
    });
    // What goes wrong before anything is sent is a problem; later it breaks the connection.
    let first = match chunks.recv().await {
        Some(Ok(bytes)) => bytes,
        Some(Err(Refusal::Wish(wish))) => {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, &wish.to_string(), Some("keep"));
        }
        Some(Err(Refusal::Write(refusal @ Error::TooManyRows))) => {
            let detail = refusal.to_string();
            return problem(StatusCode::UNPROCESSABLE_ENTITY, &detail, Some("format"));
        }
        Some(Err(Refusal::Store | Refusal::Write(_))) => return unreadable(),
        None => Bytes::new(),
    };
    let rest = futures_util::stream::unfold((Some(first), chunks), async |(first, mut chunks)| {
        let next = match first {
            Some(bytes) => Some(Ok(bytes)),
            None => chunks.recv().await,
        };
        next.map(|chunk| (chunk.map_err(io::Error::other), (None, chunks)))
    });
    let kind = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (kind, Body::from_stream(rest)).into_response()
}

/// Sends what is written in chunks; waits while the reader is slower.
struct Pipe {
    sender: mpsc::Sender<Result<Bytes, Refusal>>,
    buffer: Vec<u8>,
}

impl Pipe {
    fn push(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        let sent = self.sender.blocking_send(Ok(Bytes::from(full)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK_BYTES && !self.buffer.is_empty() {
            self.push()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.push() }
    }
}

/// Sends a file from its beginning.
pub(super) fn file_body(mut file: std::fs::File) -> Body {
    let (sender, chunks) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_MAX);
    let _reading = tokio::task::spawn_blocking(move || {
        let mut read = || -> io::Result<Option<Bytes>> {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let limit = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
            let count = (&mut file).take(limit).read_to_end(&mut chunk)?;
            Ok((count > 0).then(|| Bytes::from(chunk)))
        };
        while let Some(chunk) = read().transpose() {
            let is_last = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    });
    Body::from_stream(futures_util::stream::unfold(chunks, async |mut chunks| {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    }))
}
