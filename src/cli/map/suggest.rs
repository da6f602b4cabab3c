//! `appointd map --suggest`: a first mapping for an EHR that nobody has seen, from its messages.
//!
//! The mapping goes to the standard output, so that it can be written into a file; what is said
//! about it goes to the error stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{Failure, mappings, out};
use super::{Arguments, Bench, Content, each_sample};
use crate::clock::Clock;
use crate::hl7::Message;
use crate::mapping::choice::AUTO;
use crate::mapping::suggest::{Basis, SAMPLES_MAX, Suggestion, suggest};
use crate::mapping::{Choice, Fault, Mapping, Site};

/// The most messages that are complained about one by one.
const COMPLAINTS_MAX: usize = 5;

/// The messages of one feed.
struct Samples {
    messages: Vec<Message>,
    feed: usize,
}

pub(super) fn run(arguments: &Arguments, bench: &Bench) -> Result<(), Failure> {
    // A listener's own mapping may be the one that is to be replaced: it is no base.
    let named = arguments.mapping.as_deref().unwrap_or(AUTO);
    let choice = mappings::choice(named, bench.settings.as_ref())?;
    let (_, files) = mappings::files(named, bench.settings.as_ref())?;
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let samples = samples(arguments, bench)?;
    let Some(site) = bench.site_of(samples.feed) else { return Ok(()) };
    let (base, because) = base(&choice, &samples.messages, site)?;
    if base.reads_fhir() {
        let name = base.name();
        return Err(Failure::Usage(format!("{name} reads FHIR resources, not HL7 v2 messages")));
    }
    let basis = Basis { base: &base, files: &files, site, now: Clock::system().now() };
    let suggestion = suggest(&samples.messages, &basis)
        .map_err(|faults| Failure::Configuration(faults.iter().map(Fault::to_string).collect()))?;
    out::say(suggestion.to_toml().trim_end());
    tell(&suggestion, base.name(), because.as_deref());
    Ok(())
}

/// The mapping that is extended: the one that is named, or the one that recognises most messages;
/// and why.
fn base(
    choice: &Choice,
    messages: &[Message],
    site: Site<'_>,
) -> Result<(Arc<Mapping>, Option<String>), Failure> {
    let mut votes: BTreeMap<&str, (usize, &Arc<Mapping>, Option<&str>)> = BTreeMap::new();
    for msg in messages.iter().take(SAMPLES_MAX) {
        let chosen = choice.of(msg, site.source);
        let vote = votes.entry(chosen.mapping.name());
        vote.or_insert((0, chosen.mapping, chosen.because)).0 += 1;
    }
    let most = votes.into_values().max_by_key(|(count, ..)| *count);
    let (count, mapping, because) =
        most.ok_or_else(|| Failure::Failed("there is no message".to_owned()))?;
    let because =
        because.map(|because| format!("{because} ({count} of {} messages)", messages.len()));
    Ok((Arc::clone(mapping), because))
}

/// The messages that can be read; what cannot is told and left out.
fn samples(arguments: &Arguments, bench: &Bench) -> Result<Samples, Failure> {
    let mut samples = Samples { messages: Vec::new(), feed: 0 };
    let (mut unread, mut others, mut more) = (0, 0, 0);
    let mut complain = |fault: &str| {
        unread += 1;
        if unread <= COMPLAINTS_MAX {
            out::complain(&format!("a message is left out: {fault}"));
        }
    };
    each_sample(arguments, bench, |sample| match &sample.content {
        Content::Hl7(_) if samples.messages.len() >= SAMPLES_MAX => more += 1,
        Content::Hl7(_) if !samples.messages.is_empty() && sample.feed != samples.feed => {
            others += 1;
        }
        Content::Hl7(msg) => {
            samples.feed = sample.feed;
            samples.messages.push(msg.clone());
        }
        Content::Fhir(_) | Content::Passed(_) => complain("it is a FHIR resource, not HL7 v2"),
        Content::Unreadable(fault) => complain(fault),
    })?;
    if samples.messages.is_empty() {
        return Err(Failure::Failed("none of the messages can be read".to_owned()));
    }
    for (count, why) in [
        (unread, "cannot be read"),
        (others, "came by another listener than the first"),
        (more, "are more than are looked at"),
    ] {
        if count > 0 {
            out::complain(&format!("left out: {count} messages that {why}"));
        }
    }
    Ok(samples)
}

fn tell(suggestion: &Suggestion, base: &str, because: Option<&str>) {
    if let Some(because) = because {
        out::complain(&format!("extends {base}: {because}"));
    }
    out::complain(&format!(
        "{} of {} messages are events by {base}, {} by the proposal",
        suggestion.events_before, suggestion.samples, suggestion.events_after,
    ));
    for todo in &suggestion.left_to_do {
        out::complain(todo);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const SAMPLE: &str = "MSH|^~\\&|OWL|MAIN|||20261120110311||SIU^S12|1|P|2.4\rSCH||10001\r";

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn line(text: &str, more: &[&str]) -> (tempfile::TempDir, Arguments, Bench) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples.hl7");
        std::fs::write(&file, text).unwrap();
        let words =
            ["map", "--suggest", file.to_str().unwrap()].into_iter().chain(more.iter().copied());
        let arguments = Line::try_parse_from(words).unwrap().arguments;
        let bench = Bench::new(&arguments).unwrap();
        (folder, arguments, bench)
    }

    #[test]
    fn what_is_wrong_with_samples_or_base_is_said() {
        for (text, more, said) in [
            ("", [].as_slice(), "there is no message in it"),
            ("hello", &[], "none of the messages can be read"),
            ("{\"resourceType\": \"Appointment\"}", &[], "none of the messages can be read"),
            (SAMPLE, &["--mapping", "fhir-r4"], "fhir-r4 reads FHIR resources"),
            (SAMPLE, &["--mapping", "hl7-defautl"], "did you mean \"hl7-default\"?"),
        ] {
            let (_folder, arguments, bench) = line(text, more);
            let failure = run(&arguments, &bench).unwrap_err().to_string();
            assert!(failure.contains(said), "{failure}");
        }
        let both = Line::try_parse_from(["map", "--suggest", "--explain", "x.hl7"]);
        assert!(both.is_err(), "a proposal explains itself");
    }

    #[test]
    fn messages_that_cannot_be_read_do_not_hinder_the_others() {
        let broken = SAMPLE.replace("MSH|", "MSH\u{e9}");
        let (_folder, arguments, bench) = line(&format!("{SAMPLE}{broken}{SAMPLE}"), &[]);
        assert_eq!(samples(&arguments, &bench).unwrap().messages.len(), 2);
    }

    #[test]
    fn the_base_is_what_recognises_most_messages() {
        let known = SAMPLE.replace("OWL", "ATHENANET");
        let (_folder, arguments, bench) = line(&format!("{known}{SAMPLE}{known}"), &[]);
        let choice = mappings::choice(AUTO, None).unwrap();
        let samples = samples(&arguments, &bench).unwrap();
        let site = bench.site_of(0).unwrap();
        let (mapping, because) = base(&choice, &samples.messages, site).unwrap();
        assert_eq!(mapping.name(), "athenahealth");
        assert!(because.unwrap().ends_with("(2 of 3 messages)"));
    }
}
