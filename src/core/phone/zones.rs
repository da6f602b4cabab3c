//! The zones in which a phone's area lies.
//!
//! Only for the hours at which it may be texted, and only as one more zone beside the facility's:
//! people keep their number when they move, so that an area code alone says little about where its
//! owner is. Areas that lie in two zones have both.

use chrono_tz::Tz;

use super::PhoneNumber;
use crate::core::local_time::Zone;

/// The area codes of the North American plan by zone.
const AREAS: &[(&[Tz], &[u16])] = &[
    (
        &[Tz::America__New_York],
        &[
            201, 202, 203, 207, 212, 215, 216, 220, 223, 227, 229, 231, 234, 239, 240, 248, 252,
            260, 267, 269, 272, 276, 283, 301, 302, 304, 305, 313, 315, 317, 321, 324, 326, 329,
            330, 332, 336, 339, 347, 351, 352, 363, 380, 386, 401, 404, 407, 410, 412, 413, 419,
            434, 440, 443, 445, 463, 470, 472, 475, 478, 484, 502, 508, 513, 516, 517, 518, 540,
            551, 561, 567, 570, 571, 582, 585, 586, 603, 607, 609, 610, 614, 616, 617, 631, 640,
            645, 646, 656, 667, 678, 680, 681, 686, 689, 703, 704, 706, 716, 717, 718, 724, 727,
            728, 732, 734, 740, 743, 754, 757, 762, 765, 770, 771, 772, 774, 781, 786, 802, 803,
            804, 810, 813, 814, 821, 826, 828, 835, 838, 839, 843, 845, 848, 854, 856, 857, 859,
            860, 862, 863, 864, 865, 878, 904, 908, 910, 912, 914, 917, 919, 929, 934, 937, 941,
            943, 947, 948, 954, 959, 973, 978, 980, 984, 989,
        ],
    ),
    (
        &[Tz::America__Chicago],
        &[
            205, 210, 214, 217, 218, 219, 224, 225, 228, 235, 251, 254, 256, 262, 274, 281, 309,
            312, 314, 316, 318, 319, 320, 325, 327, 331, 334, 337, 346, 353, 361, 402, 405, 409,
            414, 417, 430, 447, 464, 469, 479, 501, 504, 507, 512, 515, 531, 534, 539, 557, 563,
            572, 573, 580, 601, 608, 612, 615, 618, 629, 630, 636, 641, 651, 659, 660, 662, 682,
            708, 712, 713, 715, 726, 730, 731, 737, 763, 769, 773, 779, 806, 815, 816, 817, 830,
            832, 847, 870, 872, 901, 903, 913, 918, 920, 936, 938, 940, 945, 952, 956, 972, 975,
            979, 985,
        ],
    ),
    (
        &[Tz::America__Los_Angeles],
        &[
            206, 209, 213, 253, 279, 323, 341, 350, 360, 369, 408, 415, 424, 425, 442, 503, 509,
            510, 530, 559, 562, 564, 619, 626, 628, 650, 657, 661, 669, 702, 707, 714, 725, 738,
            747, 760, 775, 805, 818, 820, 831, 840, 858, 909, 916, 925, 949, 951, 971,
        ],
    ),
    (
        &[Tz::America__Toronto],
        &[
            226, 249, 263, 273, 289, 343, 354, 365, 367, 382, 416, 418, 437, 438, 450, 468, 514,
            519, 548, 579, 581, 613, 647, 683, 705, 742, 753, 819, 873, 905, 942,
        ],
    ),
    (
        &[Tz::America__Denver],
        &[303, 307, 385, 406, 435, 505, 575, 719, 720, 748, 801, 915, 970, 983],
    ),
    (
        &[Tz::America__Chicago, Tz::America__New_York],
        &[270, 364, 423, 448, 574, 606, 812, 850, 906, 930, 931],
    ),
    (&[Tz::America__Chicago, Tz::America__Denver], &[308, 432, 605, 620, 701, 785]),
    (&[Tz::America__Edmonton], &[368, 403, 587, 780, 825]),
    (&[Tz::America__Vancouver], &[236, 257, 604, 672, 778]),
    (&[Tz::America__Boise, Tz::America__Los_Angeles], &[208, 458, 541, 986]),
    (&[Tz::America__Halifax], &[428, 506, 782, 902]),
    (&[Tz::America__Phoenix], &[480, 520, 602, 623]),
    (&[Tz::America__Winnipeg], &[204, 431, 474, 584]),
    (&[Tz::America__Santo_Domingo], &[809, 829, 849]),
    (&[Tz::America__Halifax, Tz::America__St_Johns], &[709, 879]),
    (&[Tz::America__Jamaica], &[658, 876]),
    (&[Tz::America__Puerto_Rico], &[787, 939]),
    (&[Tz::America__Regina], &[306, 639]),
    (&[Tz::America__Adak, Tz::America__Anchorage], &[907]),
    (&[Tz::America__Anguilla], &[264]),
    (&[Tz::America__Antigua], &[268]),
    (&[Tz::America__Barbados], &[246]),
    (&[Tz::America__Cayman], &[345]),
    (&[Tz::America__Denver, Tz::America__Phoenix], &[928]),
    (&[Tz::America__Dominica], &[767]),
    (
        &[
            Tz::America__Edmonton,
            Tz::America__Toronto,
            Tz::America__Whitehorse,
            Tz::America__Winnipeg,
        ],
        &[867],
    ),
    (&[Tz::America__Edmonton, Tz::America__Vancouver], &[250]),
    (&[Tz::America__Grand_Turk], &[649]),
    (&[Tz::America__Grenada], &[473]),
    (&[Tz::America__Lower_Princes], &[721]),
    (&[Tz::America__Montserrat], &[664]),
    (&[Tz::America__Nassau], &[242]),
    (&[Tz::America__Port_of_Spain], &[868]),
    (&[Tz::America__St_Kitts], &[869]),
    (&[Tz::America__St_Lucia], &[758]),
    (&[Tz::America__St_Thomas], &[340]),
    (&[Tz::America__St_Vincent], &[784]),
    (&[Tz::America__Toronto, Tz::America__Winnipeg], &[807]),
    (&[Tz::America__Tortola], &[284]),
    (&[Tz::Atlantic__Bermuda], &[441]),
    (&[Tz::Pacific__Guam], &[671]),
    (&[Tz::Pacific__Honolulu], &[808]),
    (&[Tz::Pacific__Pago_Pago], &[684]),
    (&[Tz::Pacific__Saipan], &[670]),
];

/// The zones of a phone's area; none where the number does not tell.
///
/// ```
/// use appointd::core::phone::PhoneNumber;
/// use appointd::core::phone::zones::zones;
/// let chicago = PhoneNumber::parse_e164("+13125550123").unwrap();
/// assert_eq!(zones(&chicago).len(), 1);
/// // A toll-free number is from everywhere.
/// assert!(zones(&PhoneNumber::parse_e164("+18005550123").unwrap()).is_empty());
/// ```
#[must_use]
pub fn zones(phone: &PhoneNumber) -> Vec<Zone> {
    let area = phone.as_str().strip_prefix("+1").and_then(|digits| digits.get(..3));
    let Some(area) = area.and_then(|area| area.parse::<u16>().ok()) else { return Vec::new() };
    let row = AREAS.iter().find(|(_, codes)| codes.contains(&area));
    row.map(|(zones, _)| zones.iter().map(|tz| Zone::Iana(*tz)).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(number: &str) -> Vec<String> {
        zones(&PhoneNumber::parse_e164(number).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn areas_on_the_border_have_both_zones() {
        assert_eq!(names("+18505550123"), ["America/Chicago", "America/New_York"]);
        assert_eq!(names("+18085550123"), ["Pacific/Honolulu"]);
        assert_eq!(names("+16025550123"), ["America/Phoenix"]);
        assert!(names("+447700900123").is_empty());
    }

    #[test]
    fn no_area_stands_twice() {
        let all: Vec<u16> = AREAS.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.len() > 400);
    }
}
