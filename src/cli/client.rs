//! How a command reaches what it works on: a running daemon through its API, else its store.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Config, Failure};
use crate::http::campaigns::LIST_WITHIN;
use crate::outbound::twilio::{Reach, http_client};
use crate::settings::{self, Loaded, Settings};
use crate::store::{self, Embedded, Options, Store};

/// How much of a file is sent at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// What a running daemon leaves beside its store for the command line, readable by its user only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Beacon {
    /// Where the API is.
    pub(crate) url: String,
    /// Its token.
    pub(crate) token: String,
}

impl Beacon {
    /// The file's place.
    pub(crate) fn path(store: &Path) -> PathBuf {
        store.join("api.json")
    }

    fn read(store: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(Self::path(store)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// What a command works on.
pub(crate) enum Target {
    /// A running daemon.
    Daemon(Box<Client>),
    /// The store of a stopped one.
    Store(Arc<dyn Store>),
}

/// A client of the API.
pub(crate) struct Client {
    http: reqwest::Client,
    beacon: Beacon,
}

/// Reads the settings; faults become one line each.
pub(crate) fn load(config: &Config) -> Result<Settings, Failure> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match settings::load(&config.config, std::env::vars(), credentials.as_deref()) {
        Ok(Loaded { settings, warnings, .. }) => {
            for warning in warnings {
                super::out::complain(&format!("warning: {warning}"));
            }
            Ok(settings)
        }
        Err(faults) => {
            Err(Failure::Configuration(faults.iter().map(ToString::to_string).collect()))
        }
    }
}

/// Opens the store in a folder.
pub(crate) fn open(settings: &Settings) -> Result<Arc<dyn Store>, store::Error> {
    let options = Options {
        free_floor_bytes: settings.store.free_bytes_min,
        ..Options::new(&settings.store.path)
    };
    Ok(Arc::new(Embedded::open(options)?))
}

/// Finds what a command works on.
pub(crate) async fn target(settings: &Settings) -> Result<Target, Failure> {
    if let Some(beacon) = Beacon::read(&settings.store.path) {
        let client = Client::new(beacon)?;
        if client.is_alive().await {
            return Ok(Target::Daemon(Box::new(client)));
        }
    }
    if !settings.store.path.exists() {
        return Err(Failure::Failed(format!(
            "there is no store at {}: has the daemon run with these settings?",
            settings.store.path.display()
        )));
    }
    open(settings).map(Target::Store).map_err(|refusal| {
        if matches!(refusal, store::Error::Locked { .. }) {
            let path = settings.store.path.display();
            return Failure::Failed(format!(
                "the daemon that uses {path} does not answer on its API"
            ));
        }
        Failure::Failed(refusal.to_string())
    })
}

impl Client {
    fn new(beacon: Beacon) -> Result<Self, Failure> {
        let reach =
            if beacon.url.starts_with("http:") { Reach::PlainLoopback } else { Reach::Network };
        let http = http_client(reach, Duration::from_secs(5), Duration::from_secs(600))
            .map_err(|refusal| Failure::Failed(refusal.to_string()))?;
        Ok(Self { http, beacon })
    }

    async fn is_alive(&self) -> bool {
        self.http.get(format!("{}/healthz", self.beacon.url)).send().await.is_ok()
    }

    /// Reads from the API.
    pub(crate) async fn get<Q: Serialize>(&self, path: &str, query: &Q) -> Result<Value, Failure> {
        let request = self.http.get(format!("{}/api/v1{path}", self.beacon.url)).query(query);
        self.answer(request).await
    }

    /// Asks the API to do something.
    pub(crate) async fn post<B: Serialize>(&self, path: &str, body: &B) -> Result<Value, Failure> {
        let request = self.http.post(format!("{}/api/v1{path}", self.beacon.url)).json(body);
        self.answer(request).await
    }

    /// Sends a file, and tells how much has gone; status and answer come back, whatever they are.
    pub(crate) async fn upload<Q: Serialize>(
        &self,
        path: &str,
        query: &Q,
        file: File,
        told: impl FnMut(u64) + Send + 'static,
    ) -> Result<(u16, Value), Failure> {
        let answer = self.carried(path, query, file, told).await?;
        let status = answer.status().as_u16();
        let body = answer.json().await.map_err(|refusal| failed(&refusal.without_url()))?;
        Ok((status, body))
    }

    /// Sends a file, and writes what comes back to another.
    pub(crate) async fn upload_for_file<Q: Serialize>(
        &self,
        path: &str,
        query: &Q,
        file: File,
        to: &Path,
    ) -> Result<(), Failure> {
        let answer = self.carried(path, query, file, |_| {}).await?;
        let mut file = beside(to)?;
        saved(answer, &mut file).await?;
        let refused = |why| Failure::Failed(format!("{}: {why}", to.display()));
        file.persist(to).map(|_| ()).map_err(|why| refused(why.error))
    }

    async fn carried<Q: Serialize>(
        &self,
        path: &str,
        query: &Q,
        file: File,
        mut told: impl FnMut(u64) + Send + 'static,
    ) -> Result<reqwest::Response, Failure> {
        let length = file.metadata().map_err(|refusal| unread(&refusal))?.len();
        let body = futures_util::stream::unfold((file, 0_u64), move |(mut file, mut sent)| {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let limit = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
            let read = (&mut file).take(limit).read_to_end(&mut piece);
            sent = sent.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
            told(sent);
            let next = match read {
                Ok(0) => None,
                Ok(_) => Some((Ok(piece), (file, sent))),
                Err(refusal) => Some((Err(refusal), (file, sent))),
            };
            std::future::ready(next)
        });
        let request = self
            .http
            .post(format!("{}/api/v1{path}", self.beacon.url))
            .query(query)
            .timeout(LIST_WITHIN)
            .header(reqwest::header::CONTENT_TYPE, "text/csv")
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(body));
        self.sent(request).await
    }

    /// Reads from the API into a file.
    pub(crate) async fn download<Q: Serialize>(
        &self,
        path: &str,
        query: &Q,
        sink: &mut (dyn Write + Send),
    ) -> Result<(), Failure> {
        let request = self.http.get(format!("{}/api/v1{path}", self.beacon.url)).query(query);
        saved(self.sent(request.timeout(LIST_WITHIN)).await?, sink).await
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let answer = request.bearer_auth(&self.beacon.token).send().await;
        // Addresses hold phones.
        answer.map_err(|refusal| failed(&refusal.without_url()))
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        body_of(self.sent(request).await?).await
    }
}

/// A file in the folder of another, which takes the other's place when it is whole.
pub(crate) fn beside(path: &Path) -> Result<tempfile::NamedTempFile, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    tempfile::NamedTempFile::new_in(folder)
        .map_err(|why| Failure::Failed(format!("{}: {why}", path.display())))
}

/// Writes the body of an answer, unless it is a problem.
async fn saved(
    mut answer: reqwest::Response,
    sink: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    if !answer.status().is_success() {
        return body_of(answer).await.map(|_| ());
    }
    while let Some(piece) =
        answer.chunk().await.map_err(|refusal| failed(&refusal.without_url()))?
    {
        sink.write_all(&piece).map_err(|refusal| Failure::Failed(refusal.to_string()))?;
    }
    sink.flush().map_err(|refusal| Failure::Failed(refusal.to_string()))
}

/// The body of an answer, or the problem that it is.
async fn body_of(answer: reqwest::Response) -> Result<Value, Failure> {
    let status = answer.status();
    let body: Value = answer.json().await.map_err(|refusal| failed(&refusal.without_url()))?;
    if status.is_success() { Ok(body) } else { Err(problem_of(&body)) }
}

/// What a problem says.
pub(crate) fn problem_of(body: &Value) -> Failure {
    let detail = body.get("detail").and_then(Value::as_str).unwrap_or("no detail");
    let field = body.get("field").and_then(Value::as_str).unwrap_or("");
    failed(&format!("{detail} {field}").trim())
}

fn failed(what: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("daemon: {what}"))
}

fn unread(refusal: &std::io::Error) -> Failure {
    Failure::Failed(format!("the list cannot be read: {refusal}"))
}
