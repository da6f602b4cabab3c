//! Bookings of about 1.26 KB, each of its own, and the frames around them. All is invented.

pub(crate) const START: u8 = 0x0b;
pub(crate) const END: [u8; 2] = [0x1c, b'\r'];

/// Whose phones the messages name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phones {
    /// 70,000, as many as a large practice may have.
    Many,
    /// 100: a feed that puts the same few numbers into thousands of messages.
    Shared,
}

impl Phones {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Shared => "shared",
        }
    }

    fn of(self, number: u64) -> String {
        let area = match self {
            Self::Many => [212, 310, 312, 404, 415, 510, 617].get((number / 10_000 % 7) as usize),
            Self::Shared => None,
        };
        let line = match self {
            Self::Many => number % 10_000,
            Self::Shared => 100 + number % 100,
        };
        format!("^PRN^CP^^1^{}^555{line:04}", area.unwrap_or(&201))
    }
}

/// One message in its frame.
pub(crate) fn framed(control_id: &str, number: u64, phones: Phones) -> Vec<u8> {
    let phone = phones.of(number);
    let day = 1 + number % 28;
    let hour = 8 + number / 28 % 9;
    let month = 1 + number / 252 % 12;
    let start = format!("2031{month:02}{day:02}{hour:02}0000-0500");
    let end = format!("2031{month:02}{day:02}{hour:02}3000-0500");
    let record = 10_000_000 + number;
    let when = format!("{start}|0|min|30|min|NONE|Booked");
    let text = [
        format!(
            "MSH|^~\\&|EHR|HOSPITAL|SERVER|CLINIC|||SIU^S12^SIU_S12|{control_id}|P|2.5.1||||||UNICODE UTF-8"
        ),
        format!(
            "SCH|P{control_id}^EHR|F{control_id}^EHR|||APT^Appointment^L|FU^Follow-up visit^L|FU^Follow-up visit^L|NORMAL^Normal^HL70277|30|min^minutes^ISO+|^^30^{start}^{end}|||||1042^SCHEDULER^SAM^^^^^^HOSPITAL|^WPN^PH^^1^212^5550123|||1042^SCHEDULER^SAM^^^^^^HOSPITAL|||||Booked^Booked^HL70278"
        ),
        "NTE|1|L|Please arrive 15 minutes early and bring your insurance card and a list of your medications.".to_owned(),
        format!(
            "PID|1||{record}^^^HOSPITAL^MR~9{record}^^^STATE^PI||DOE^JANE^Q^^^^L||19700101|F||2106-3^White^HL70005|{} Elm Street^Apt 4^Springfield^NY^10001^USA^H||{phone}~^NET^Internet^jane.{number}@example.org|^WPN^PH^^1^212^5550199|en^English^ISO639|M||V{record}",
            number % 999
        ),
        format!(
            "PV1|1|O|CARD^ROOM1^^HOSPITAL^^^^MAIN^3||||2001^ROE^HELEN^A^^DR^MD^^NPI|||CARD||||||||V{number}^^^HOSPITAL^VN"
        ),
        "RGS|1|A|CARD^Cardiology Clinic^L".to_owned(),
        format!("AIS|1|A|FU^Follow-up visit^L|{when}"),
        format!("AIL|1|A|CARD^ROOM1^^HOSPITAL^^^^MAIN^3|C^Clinic^HL70305||{when}"),
        format!("AIP|1|A|2001^ROE^HELEN^A^^DR^MD^^NPI|RESOURCE^Physician^L||{when}"),
        String::new(),
    ]
    .join("\r");
    [&[START], text.as_bytes(), &END].concat()
}

/// The whole frames at the start of `bytes`, without their marks, and what follows them.
pub(crate) fn frames(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut found = Vec::new();
    while let Some(end) = memchr::memmem::find(bytes, &END) {
        let (frame, rest) = bytes.split_at_checked(end).unwrap_or_default();
        found.push(frame.strip_prefix(&[START]).unwrap_or(frame));
        bytes = rest.get(END.len()..).unwrap_or_default();
    }
    (found, bytes)
}
