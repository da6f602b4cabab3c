//! From settings to the options of each room.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::engine::SharedRules;
use crate::hl7::Charset;
use crate::hl7::frame::Limits;
use crate::http::campaigns::Means;
use crate::inbound::intake::{Intake, Language, Live};
use crate::inbound::mllp::Options;
use crate::inbound::sms::Webhooks;
use crate::mapping::{self, Choice, Library, check_examples};
use crate::outbound::brake::Brake;
use crate::outbound::hl7 as lane;
use crate::outbound::sms as sms_lane;
use crate::outbound::twilio::{self, Auth, Twilio};
use crate::settings::{self, Destination, Listener, Settings};
use crate::shutdown::Tasks;
use crate::sms::request::Sender;
use crate::sms::sid::{AccountSid, KeySid};
use crate::tls;

/// Reads all mappings: the practice's own files beside those built in, each proved by its examples.
///
/// # Errors
/// Every fault of every file.
pub fn library_of(settings: &Settings) -> Result<Arc<Library>, Vec<String>> {
    let files = mapping_files(&settings.mappings).map_err(|fault| vec![fault])?;
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let told = |faults: Vec<mapping::Fault>| faults.iter().map(ToString::to_string).collect();
    let library = Library::load(texts).map_err(told)?;
    let faults: Vec<_> = library.iter().flat_map(|mapping| check_examples(mapping)).collect();
    if faults.is_empty() { Ok(Arc::new(library)) } else { Err(told(faults)) }
}

/// How each listener chooses its mapping, and then each FHIR server, in the order of the settings.
///
/// # Errors
/// Every fault of every file, and each feed whose mapping does not exist.
pub fn choices_of(settings: &Settings) -> Result<Vec<Choice>, Vec<String>> {
    let library = library_of(settings)?;
    let mut faults = Vec::new();
    let mut choices = Vec::new();
    for listener in &settings.listeners {
        match Choice::parse(&listener.mapping, &library) {
            Ok(Choice::Named(mapping)) if mapping.reads_fhir() => faults.push(format!(
                "listener {}: mapping \"{}\" reads FHIR resources, not HL7 messages",
                listener.name, listener.mapping
            )),
            Ok(choice) => choices.push(choice),
            Err(fault) => faults.push(format!("listener {}: {fault}", listener.name)),
        }
    }
    for server in &settings.fhir_servers {
        match Choice::parse(&server.mapping, &library) {
            Ok(Choice::Named(mapping)) if !mapping.reads_fhir() => faults.push(format!(
                "fhir.server {}: mapping \"{}\" reads HL7 messages, not FHIR resources",
                server.name, server.mapping
            )),
            Ok(choice) => choices.push(choice),
            Err(fault) => faults.push(format!("fhir.server {}: {fault}", server.name)),
        }
    }
    if faults.is_empty() { Ok(choices) } else { Err(faults) }
}

/// The texts of mapping files, by the name of the file.
///
/// # Errors
/// The first file or folder that cannot be read.
pub fn mapping_files(paths: &[PathBuf]) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for path in paths {
        let refused = |refusal: std::io::Error| format!("{}: {refusal}", path.display());
        let mut found = vec![path.clone()];
        if path.is_dir() {
            found = std::fs::read_dir(path)
                .map_err(refused)?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
                // An editor's own files.
                .filter(|file| {
                    file.file_name().is_none_or(|n| !n.as_encoded_bytes().starts_with(b"."))
                })
                .collect();
            found.sort();
        }
        for file in found {
            let text = std::fs::read_to_string(&file)
                .map_err(|refusal| format!("{}: {refusal}", file.display()))?;
            files.push((file.display().to_string(), text));
        }
    }
    Ok(files)
}

/// How a listener reads.
pub(super) fn intake(listener: &Listener, live: Live, now: Timestamp) -> Intake {
    Intake {
        source: listener.name.clone(),
        space: listener.name.clone(),
        language: Language::Hl7,
        charset: listener.charset.as_deref().and_then(Charset::for_label),
        zone: listener.zone,
        region: listener.region,
        processing_ids: listener.processing_ids.clone(),
        heard_at: AtomicI64::new(now.timestamp_millis()),
        senders: std::sync::Mutex::default(),
        live: std::sync::RwLock::new(Arc::new(live)),
    }
}

/// How a listener listens and answers.
pub(super) fn listener_options(listener: &Listener, tls: Option<tls::Acceptor>) -> Options {
    let limits = listener.limits;
    Options {
        ack_mode: listener.ack_mode,
        nack_policy: listener.nack_policy,
        answers_each: listener.batch_ack == settings::BatchAck::Each,
        limits: Limits {
            frame_bytes_max: limits.frame_bytes_max,
            accept_bare_msh: listener.accept_bare_msh,
            ..Limits::default()
        },
        frame_timeout: limits.frame_timeout,
        idle_timeout: limits.idle_timeout,
        keepalive: limits.keepalive,
        connections_max: limits.connections_max,
        connections_per_peer_max: limits.connections_per_peer_max,
        allow: listener.allow.clone(),
        tls,
    }
}

/// How a destination is talked to.
///
/// # Errors
/// If its certificates cannot be used.
pub fn lane_options(
    settings: &Settings,
    destination: &Destination,
) -> Result<lane::Options, String> {
    let tls = match &destination.tls {
        None => None,
        Some(files) => {
            let host = files.server_name.as_deref().unwrap_or(&destination.address.host);
            let files =
                tls::ClientFiles { ca: Some(files.ca.clone()), identity: files.identity.clone() };
            Some(tls::Connector::new(&files, host).map_err(|refusal| format!("tls: {refusal}"))?)
        }
    };
    Ok(lane::Options {
        name: destination.name.clone(),
        address: destination.address.to_string(),
        confirm: destination.confirm.clone(),
        cancel: destination.cancel.clone(),
        takes_acknowledgment: match destination.request_accepted_by {
            settings::Consent::Response => false,
            settings::Consent::Acknowledgment => true,
        },
        zone: settings.rules.practice.zone,
        charset: destination.charset.clone(),
        sources: settings
            .listeners
            .iter()
            .filter_map(|listener| {
                let charset = listener.charset.as_deref().and_then(Charset::for_label)?;
                Some((listener.name.clone(), charset))
            })
            .collect(),
        tls,
        connect_timeout: destination.connect_timeout,
        ack_timeout: destination.ack_timeout,
        idle_close: destination.idle_close,
    })
}

/// A client of Twilio, if there is an account.
///
/// # Errors
/// What is wrong with the account's settings.
pub fn twilio_of(settings: &Settings) -> Result<Option<Twilio>, String> {
    let Some(account) = &settings.twilio else { return Ok(None) };
    let told = |what: &dyn std::fmt::Display| format!("twilio: {what}");
    let sid = AccountSid::parse(&account.account_sid).map_err(|fault| told(&fault))?;
    let auth = match &account.api_key {
        None => Auth::Token(account.auth_token.clone()),
        Some(key) => Auth::ApiKey {
            sid: KeySid::parse(&key.sid).map_err(|fault| told(&fault))?,
            secret: key.secret.clone(),
        },
    };
    let sender = Sender::parse(account.sender.as_str()).map_err(|fault| told(&fault))?;
    let client = Twilio::new(twilio::Settings {
        base_url: account.base_url.clone(),
        status_callback: settings
            .http
            .public_url
            .as_ref()
            // By default Twilio tries a callback once more, and only if nobody answers at all.
            .map(|url| format!("{url}/twilio/status#rc=5&rp=all")),
        error_codes: account.error_codes.clone(),
        connect_timeout: account.connect_timeout,
        total_timeout: account.request_timeout,
        ..twilio::Settings::new(sid, auth, sender)
    });
    client.map(Some).map_err(|fault| told(&fault))
}

/// What webhooks are checked against, if Twilio is the backend.
pub(super) fn webhooks(settings: &Settings, brake: &Arc<Brake>, clock: &Clock) -> Option<Webhooks> {
    let account = settings.twilio.as_ref()?;
    let public_url = settings.http.public_url.clone()?;
    let mut tokens = vec![account.auth_token.clone()];
    tokens.extend(account.auth_token_other.clone());
    let error_codes = account.error_codes.clone();
    Some(Webhooks {
        public_url,
        tokens,
        error_codes,
        brake: Arc::clone(brake),
        clock: clock.clone(),
    })
}

/// How often incoming texts are listed.
pub(super) fn poll_every(settings: &Settings) -> Option<Duration> {
    settings.twilio.as_ref()?.poll_every
}

/// How the lane of texts behaves.
pub(super) fn sms_options(settings: &Settings) -> sms_lane::Options {
    sms_lane::Options {
        segments_per_second: settings.sms.segments_per_second,
        parallel: settings.sms.parallel,
        allow_only: settings.sms.allow_only.clone(),
        // The other backends have no queue.
        validity: settings.twilio.as_ref().map_or(Duration::MAX, |twilio| twilio.validity),
    }
}

/// What campaigns are made with; without a folder of the store, files go where others' do.
pub(super) fn outreach(settings: &Settings, rules: &SharedRules, tasks: &Tasks) -> Means {
    let is_kept = settings.store.engine != settings::Engine::Memory;
    let folder = if is_kept { settings.store.path.clone() } else { std::env::temp_dir() };
    let pace = settings.sms.segments_per_second;
    let group = (tasks.tracker().clone(), tasks.stop_token());
    Means::new(Arc::clone(rules), pace, folder, is_kept, group)
}
