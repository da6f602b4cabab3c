//! Languages: whatever a front desk system writes becomes a BCP 47 tag.

/// BCP 47 tag, then ISO 639-2 codes (terminological and bibliographic) and names.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("ar", &["ara", "arabic"]),
    ("bn", &["ben", "bengali", "bangla"]),
    ("bs", &["bos", "bosnian"]),
    ("ca", &["cat", "catalan"]),
    ("cs", &["ces", "cze", "czech"]),
    ("cy", &["cym", "wel", "welsh"]),
    ("da", &["dan", "danish", "dansk"]),
    ("de", &["deu", "ger", "german", "deutsch"]),
    ("el", &["ell", "gre", "greek"]),
    ("en", &["eng", "english", "american english", "us english"]),
    ("es", &["spa", "spanish", "español", "espanol", "castilian"]),
    ("et", &["est", "estonian"]),
    ("fa", &["fas", "per", "persian", "farsi"]),
    ("fi", &["fin", "finnish", "suomi"]),
    ("fil", &["filipino"]),
    ("fr", &["fra", "fre", "french", "français", "francais"]),
    ("gu", &["guj", "gujarati"]),
    ("he", &["heb", "hebrew"]),
    ("hi", &["hin", "hindi"]),
    ("hmn", &["hmong"]),
    ("hr", &["hrv", "scr", "croatian"]),
    ("ht", &["hat", "haitian", "haitian creole", "creole"]),
    ("hu", &["hun", "hungarian", "magyar"]),
    ("hy", &["hye", "arm", "armenian"]),
    ("id", &["ind", "indonesian"]),
    ("is", &["isl", "ice", "icelandic"]),
    ("it", &["ita", "italian", "italiano"]),
    ("ja", &["jpn", "japanese"]),
    ("km", &["khm", "khmer", "cambodian"]),
    ("ko", &["kor", "korean"]),
    ("ku", &["kur", "kurdish"]),
    ("lo", &["lao", "laotian"]),
    ("lt", &["lit", "lithuanian"]),
    ("lv", &["lav", "latvian"]),
    ("mk", &["mkd", "mac", "macedonian"]),
    ("ms", &["msa", "may", "malay"]),
    ("nb", &["nob", "norwegian bokmål"]),
    ("ne", &["nep", "nepali"]),
    ("nl", &["nld", "dut", "dutch", "nederlands", "flemish"]),
    ("no", &["nor", "norwegian", "norsk"]),
    ("pa", &["pan", "punjabi", "panjabi"]),
    ("pl", &["pol", "polish", "polski"]),
    ("ps", &["pus", "pashto"]),
    ("pt", &["por", "portuguese", "português", "portugues"]),
    ("ro", &["ron", "rum", "romanian"]),
    ("ru", &["rus", "russian"]),
    ("sk", &["slk", "slo", "slovak"]),
    ("sl", &["slv", "slovenian"]),
    ("so", &["som", "somali"]),
    ("sq", &["sqi", "alb", "albanian"]),
    ("sr", &["srp", "scc", "serbian"]),
    ("sv", &["swe", "swedish", "svenska"]),
    ("sw", &["swa", "swahili"]),
    ("ta", &["tam", "tamil"]),
    ("te", &["tel", "telugu"]),
    ("th", &["tha", "thai"]),
    ("ti", &["tir", "tigrinya"]),
    ("tl", &["tgl", "tagalog"]),
    ("tr", &["tur", "turkish", "türkçe"]),
    ("uk", &["ukr", "ukrainian"]),
    ("ur", &["urd", "urdu"]),
    ("vi", &["vie", "vietnamese"]),
    ("yue", &["cantonese"]),
    ("zh", &["zho", "chi", "chinese", "cmn", "mandarin"]),
];

/// Codes and names written in messages are short; longer text is a remark.
const BYTES_MAX: usize = 40;

/// The BCP 47 tag of a language; `None` if it is not known.
#[must_use]
pub fn tag(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > BYTES_MAX {
        return None;
    }
    if let Some(tag) = primary(text) {
        return Some(tag.to_owned());
    }
    let (language, region) = text.split_once(['-', '_'])?;
    let tag = primary(language)?;
    // A script of four letters stands before the region; texts do not depend on it.
    let region = region.rsplit(['-', '_']).next().unwrap_or_default();
    let is_region = region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_alphabetic());
    Some(if is_region { format!("{tag}-{}", region.to_ascii_uppercase()) } else { tag.to_owned() })
}

fn primary(text: &str) -> Option<&'static str> {
    // Nearly every message of most feeds says this.
    if text.eq_ignore_ascii_case("en") || text.eq_ignore_ascii_case("eng") {
        return Some("en");
    }
    let lower = text.to_lowercase();
    let is = |(tag, names): &&(&str, &[&str])| *tag == lower || names.contains(&lower.as_str());
    LANGUAGES.iter().find(is).map(|(tag, _)| *tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_become_tags() {
        for (text, expected) in [
            ("eng", "en"),
            ("EN", "en"),
            ("ENGLISH", "en"),
            ("English", "en"),
            ("spa", "es"),
            ("Español", "es"),
            ("DEU", "de"),
            ("ger", "de"),
            ("ara", "ar"),
            ("en-us", "en-US"),
            ("en_GB", "en-GB"),
            ("zh-Hant-TW", "zh-TW"),
            ("zh-Hans", "zh"),
            (" fr ", "fr"),
        ] {
            assert_eq!(tag(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_language_is_none() {
        for text in
            ["", "-", "xx", "PATIENT DECLINED", "Not Hispanic", "e-n", "日本", &"e".repeat(99)]
        {
            assert_eq!(tag(text), None, "{text}");
        }
    }

    #[test]
    fn no_name_means_two_languages() {
        let mut seen = std::collections::BTreeSet::new();
        for (tag, names) in LANGUAGES {
            for name in names.iter().chain([tag]) {
                assert!(seen.insert(*name), "{name}");
            }
        }
    }
}
