use proptest::prelude::*;

use super::*;

fn parse(text: &str, region: &str) -> Result<String, Error> {
    PhoneNumber::parse(text, Region::parse(region).unwrap()).map(|number| number.0)
}

#[test]
fn forms_of_the_front_desk_become_e164() {
    let cases = [
        ("US", "4155550123", "+14155550123"),
        ("US", "(415) 555-0123", "+14155550123"),
        ("US", "415.555.0123", "+14155550123"),
        ("US", "1-415-555-0123", "+14155550123"),
        ("US", "+1 415 555 0123", "+14155550123"),
        ("US", "14155550123", "+14155550123"),
        ("US", "011 44 7700 900123", "+447700900123"),
        ("US", "tel:+1-415-555-0123;ext=7", "+14155550123"),
        ("US", "(415)555-0123x123", "+14155550123"),
        ("US", "415-555-0123 X 9", "+14155550123"),
        ("US", "415-555-0123 Ext. 44", "+14155550123"),
        ("US", "415-555-0123 #44", "+14155550123"),
        ("US", "Home: 415-555-0123", "+14155550123"),
        ("US", "415-555-0123 (cell, wife Jane)", "+14155550123"),
        ("US", "415\u{a0}555\u{2011}0123", "+14155550123"),
        ("US", "\u{ff0b}14155550123", "+14155550123"),
        ("US", "415-555-0123 / 415-555-0124", "+14155550123"),
        ("US", "415-555-0123,,44", "+14155550123"),
        ("US", "4155550123\n4155550124", "+14155550123"),
        ("US", "8005550199", "+18005550199"),
        ("CA", "(604) 555-0199", "+16045550199"),
        ("US", "+33 1 99 00 01 23", "+33199000123"),
        ("GB", "07700 900123", "+447700900123"),
        ("GB", "7700 900123", "+447700900123"),
        ("GB", "+44 (0)20 7946 0123", "+442079460123"),
        ("GB", "0044 20 7946 0123", "+442079460123"),
        ("GB", "44 7700 900123", "+447700900123"),
        ("DE", "030/1234567", "+49301234567"),
        ("DE", "0151 23456789", "+4915123456789"),
        ("FR", "01 99 00 01 23", "+33199000123"),
        ("NL", "06-12345678", "+31612345678"),
        ("IE", "085 012 3456", "+353850123456"),
        ("AU", "0491 570 156", "+61491570156"),
        ("AU", "0011 1 415 555 0123", "+14155550123"),
        ("NZ", "021 123 4567", "+64211234567"),
        ("ES", "612 345 678", "+34612345678"),
        ("IT", "06 1234 5678", "+390612345678"),
        ("IT", "312 345 6789", "+393123456789"),
        ("MX", "01 55 1234 5678", "+525512345678"),
        ("MX", "+52 1 55 1234 5678", "+525512345678"),
        ("IN", "098765 43210", "+919876543210"),
        ("CH", "044 668 18 00", "+41446681800"),
        ("AT", "0664 1234567", "+436641234567"),
        ("BE", "0470 12 34 56", "+32470123456"),
        ("HU", "06 20 123 4567", "+36201234567"),
        ("US", "+247 12345", "+24712345"),
    ];
    for (region, text, expected) in cases {
        assert_eq!(parse(text, region).as_deref(), Ok(expected), "{region} {text}");
    }
}

#[test]
fn what_cannot_be_dialled_is_refused_with_its_reason() {
    let cases = [
        ("US", "", Error::Empty),
        ("US", "none", Error::Empty),
        ("US", "+", Error::Empty),
        ("US", "555", Error::TooShort),
        ("US", "911", Error::TooShort),
        ("US", "1-800-FLOWERS", Error::TooShort),
        ("US", "415-555-CARE", Error::TooShort),
        ("US", "555-0123", Error::NotInPlan),
        ("US", "555-0123 x4155", Error::NotInPlan),
        ("US", "015-555-0123", Error::NotInPlan),
        ("US", "115-555-0123", Error::NotInPlan),
        ("US", "415-155-0123", Error::NotInPlan),
        ("US", "415-055-0123", Error::NotInPlan),
        ("US", "911-555-0123", Error::NotInPlan),
        ("US", "0000000000", Error::NotInPlan),
        ("US", "9999999999", Error::NotInPlan),
        ("US", "1234567890", Error::NotInPlan),
        ("US", "+1 415 555 012", Error::NotInPlan),
        ("US", "+1 415 555 01234", Error::NotInPlan),
        ("US", "447700900123", Error::NotInPlan),
        ("US", "0114155550123", Error::NotInPlan),
        ("US", "415+5550123", Error::Unreadable),
        ("US", "41555501\u{0662}\u{0663}", Error::Unreadable),
        ("US", "415555012\u{ff13}", Error::Unreadable),
        ("US", "415555012\u{b2}", Error::Unreadable),
        ("US", "+0 415 555 0123", Error::NotInPlan),
        ("US", "+9990123456789012", Error::TooLong),
        ("US", "41555501234155550124", Error::TooLong),
        ("GB", "07700 9001", Error::NotInPlan),
        ("GB", "+44 0000000000", Error::NotInPlan),
        ("FR", "+33 1 99 00 01", Error::NotInPlan),
    ];
    for (region, text, expected) in cases {
        assert_eq!(parse(text, region), Err(expected), "{region} {text}");
    }
    assert_eq!(parse(&"4155550123".repeat(100), "US"), Err(Error::TooLong));
}

#[test]
fn a_number_never_prints_whole() {
    let number = PhoneNumber::parse_e164("+14155550123").unwrap();
    assert_eq!(format!("{number} {number:?}"), "+1415***0123 +1415***0123");
    let short = PhoneNumber::parse_e164("+24712345").unwrap();
    assert_eq!(short.to_string(), "+2***2345");
}

#[test]
fn a_stored_number_is_checked_again_and_its_error_is_silent_about_it() {
    let number: PhoneNumber = serde_json::from_str("\"+14155550123\"").unwrap();
    assert_eq!(serde_json::to_string(&number).unwrap(), "\"+14155550123\"");
    for bad in ["14155550123", "+0123456789", "+1415555012x", "+1 4155550123", "+123", ""] {
        let error = serde_json::from_str::<PhoneNumber>(&format!("{bad:?}")).unwrap_err();
        assert!(bad.is_empty() || !error.to_string().contains(bad), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_becomes_valid_e164(text in "\\PC{0,40}", region in 0usize..3) {
        let region = ["US", "GB", "IT"][region];
        if let Ok(number) = parse(&text, region) {
            prop_assert_eq!(PhoneNumber::parse_e164(&number).unwrap().0, number);
        }
    }

    #[test]
    fn reading_its_own_output_changes_nothing(digits in "[2-9][02-9][0-9]55501[0-9]{2}") {
        let once = parse(&digits, "US").unwrap();
        prop_assert_eq!(parse(&once, "GB").unwrap(), once);
    }
}
