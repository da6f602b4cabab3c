//! `[outreach]`: how campaigns are run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::flow::{Function, Tools};
use crate::core::rules::Outreach;

use super::flows;
use super::net::{Address, parse_url};
use super::reader::Section;
use super::texting::sid;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `[outreach]`; `sender` is who texts.
pub(super) fn outreach(section: &mut Section<'_>, sender: &str) -> Outreach {
    let per_minute = section.size("per_minute", 1..=60_000, 30);
    let expires_after =
        section.duration("expires_after", Duration::from_secs(3600)..=90 * DAY, 7 * DAY);
    let tools = tools(section);
    Outreach {
        flows: flows::flows(section, &tools),
        tools,
        per_minute: u32::try_from(per_minute).unwrap_or(u32::MAX),
        expires_after: chrono::TimeDelta::from_std(expires_after)
            .unwrap_or(chrono::TimeDelta::days(7)),
        sender: sender.to_owned(),
    }
}

/// How long a flow's request may take; Studio gives it ten seconds.
pub(super) fn call_timeout(section: &mut Section<'_>) -> Duration {
    section.duration("call_timeout", SECOND..=30 * SECOND, 10 * SECOND)
}

/// What flows may reach outside.
fn tools(section: &mut Section<'_>) -> Tools {
    let hosts = section.list("allow_hosts", |text| {
        let wanted = "is no host; write one such as \"api.example.org\" or \"127.0.0.1:8000\"";
        host(text).ok_or_else(|| wanted.to_owned())
    });
    let mut tools = Tools {
        allow_hosts: hosts.unwrap_or_default().into_iter().collect(),
        functions: BTreeMap::new(),
    };
    let _units = section.each("function", |item| function(item, &mut tools));
    tools
}

/// A host as it is compared: small letters, and the port if one is written.
fn host(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    // A host without port is one that would be right with any.
    let is_host = Address::parse(&text).is_some()
        || (!text.contains(':') && Address::parse(&format!("{text}:443")).is_some())
        || (text.starts_with('[') && Address::parse(&format!("{text}:443")).is_some());
    is_host.then_some(text)
}

/// What stands for one of Studio's functions; its host is one that may be asked.
fn function(section: &mut Section<'_>, tools: &mut Tools) {
    let place = section.place_of("name");
    let name = section.text("name");
    section.need(name.is_some(), "name", "write the name that flows have for it");
    let sid = sid(section, "sid", "ZH");
    let wanted = "write an https address, such as \"https://api.example.org/next-slot\"";
    let url = section.parsed("url", wanted, |text| {
        let base = text.split_once('?').map_or(text, |(base, _)| base);
        let is_safe = parse_url(base).is_some_and(|url| url.is_secure || url.is_loopback);
        let host = reqwest::Url::parse(text).ok().and_then(|url| host_of(&url));
        host.filter(|_| is_safe && !text.contains('#'))
            .map(|host| (text.to_owned(), host))
            .ok_or(())
    });
    section.need(url.is_some(), "url", wanted);
    let (Some(name), Some((url, host))) = (name, url) else { return };
    let _is_new = tools.allow_hosts.insert(host);
    let names: BTreeSet<String> = std::iter::once(name).chain(sid).collect();
    for known in names {
        if tools.functions.insert(known, Function { url: url.clone() }).is_some() {
            section.fault(place.clone(), "name", "has another section already; remove one of them");
        }
    }
}

fn host_of(url: &reqwest::Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::settings::from_text;

    fn lines(text: &str) -> String {
        let faults = from_text(text, Path::new("/nowhere")).unwrap_err();
        faults.iter().map(|fault| format!("{fault}\n")).collect()
    }

    #[test]
    fn functions_have_an_address_whose_host_may_be_asked() {
        let text = "[outreach]\nallow_hosts = [\"API.example.org\", \"127.0.0.1:8000\"]\n\
            [[outreach.function]]\nname = \"next-slot\"\n\
            sid = \"ZH00000000000000000000000000000001\"\nurl = \"https://f.example.org:8443/x?y=1\"\n";
        let settings = from_text(text, Path::new("/nowhere")).unwrap().settings;
        assert_eq!(settings.call_timeout.as_secs(), 10);
        let tools = settings.rules.outreach.tools;
        let hosts: Vec<_> = tools.allow_hosts.iter().map(String::as_str).collect();
        assert_eq!(hosts, ["127.0.0.1:8000", "api.example.org", "f.example.org:8443"]);
        let names: Vec<_> = tools.functions.keys().map(String::as_str).collect();
        assert_eq!(names, ["ZH00000000000000000000000000000001", "next-slot"]);
        assert_eq!(tools.functions["next-slot"].url, "https://f.example.org:8443/x?y=1");
    }

    #[test]
    fn hosts_are_no_addresses_and_functions_are_not_called_in_plain_text() {
        let text = "[outreach]\nallow_hosts = [\"https://api.example.org\", \"a b\", \"*\"]\n\
            call_timeout = \"5m\"\n[[outreach.function]]\nname = \"a\"\nurl = \"http://f.example.org/\"\n\
            [[outreach.function]]\nsid = \"FU1\"\n";
        let faults = lines(text);
        for key in [
            "allow_hosts[0]",
            "allow_hosts[1]",
            "allow_hosts[2]",
            "call_timeout",
            "function[0].url",
            "function[1].name",
            "function[1].sid",
            "function[1].url",
        ] {
            assert!(faults.contains(&format!("outreach.{key}")), "{key}\n{faults}");
        }
        let twice = "[[outreach.function]]\nname = \"a\"\nurl = \"https://f.example.org/\"\n";
        assert!(lines(&twice.repeat(2)).contains("remove one of them"));
    }
}
