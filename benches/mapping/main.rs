//! From bytes to a normalized event, beside hl7-parser's bare parse of the same messages.
//!
//! `cargo bench --bench mapping` reads with one thread, in rounds in which all ways take turns, so
//! that a slow moment of the machine slows all of them. A ratio is the median of the rounds'. The
//! bare parse gets text and gives a tree of borrowed parts; the others get bytes: `read` decodes,
//! splits and reads, `event` reads and maps, `trace` also keeps where each value stands, as the
//! daemon does, `tenfold` maps with ten times the rules, `explain` tells all that was tried.
//! Allocations are counted, not estimated; time is printed, never asserted.
//!
//! `APPOINTD_BENCH_ROUNDS`: 51; `APPOINTD_BENCH_ONLY`: one way only, over and over, for a profiler.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod messages;
mod rules;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use appointd::clock::{Stopwatch, Timestamp};
use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::hl7::{Message, batch, charset};
use appointd::mapping::{Library, Mapping, Site};
use chrono::DateTime;

use messages::{Payload, Set};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a round of one way takes at least.
const ROUND: Duration = Duration::from_millis(4);

/// A way to read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bare,
    Read,
    Event,
    Trace,
    Tenfold,
    Explain,
}

impl Way {
    const ALL: [Self; 6] =
        [Self::Bare, Self::Read, Self::Event, Self::Trace, Self::Tenfold, Self::Explain];

    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Read => "read",
            Self::Event => "event",
            Self::Trace => "trace",
            Self::Tenfold => "tenfold",
            Self::Explain => "explain",
        }
    }
}

/// What all ways share.
struct Bench<'a> {
    usual: Arc<Mapping>,
    tenfold: Arc<Mapping>,
    site: Site<'a>,
    now: Timestamp,
}

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this too, and wants no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let source = SourceName::new("main-ehr");
    let locations = BTreeMap::new();
    let site = Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse("America/Chicago")?,
        region: Region::US,
        locations: &locations,
    };
    let text = rules::tenfold();
    let library = Library::load([("tenfold.toml", text.as_str())])
        .map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())?;
    let mapping = |name: &str| library.lookup(name).cloned().ok_or("no such mapping");
    let now = DateTime::from_timestamp(1_893_456_000, 0).unwrap_or_default();
    let bench = Bench { usual: mapping("hl7-default")?, tenfold: mapping("tenfold")?, site, now };
    let only: String = setting("ONLY", String::new());
    for set in messages::sets()? {
        match Way::ALL.into_iter().find(|way| way.name() == only) {
            Some(way) => bench.repeat(way, &set),
            None => bench.compare(&set),
        }
    }
    Ok(())
}

/// The bare parse, in the faster of its two ways that reads the message.
pub(crate) fn bare(text: &str) -> Option<hl7_parser::Message<'_>> {
    let is_lenient = text.contains('\n');
    let parse = if is_lenient {
        hl7_parser::parse_message_with_lenient_newlines
    } else {
        hl7_parser::parse_message
    };
    parse(text).ok()
}

impl Bench<'_> {
    fn once(&self, way: Way, payload: &Payload) {
        let mapping = match way {
            Way::Bare => {
                black_box(bare(black_box(&payload.text)));
                return;
            }
            Way::Tenfold => &self.tenfold,
            Way::Read | Way::Event | Way::Trace | Way::Explain => &self.usual,
        };
        let Ok(decoded) = charset::decode(black_box(&payload.bytes), None) else { return };
        for text in batch::split(&decoded.text).messages {
            let Ok(msg) = Message::read(text) else { continue };
            match way {
                Way::Bare | Way::Read => {
                    black_box(&msg);
                }
                Way::Event | Way::Tenfold => {
                    black_box(mapping.apply(&msg, &self.site, self.now));
                }
                Way::Trace => {
                    black_box(mapping.apply_traced(&msg, &self.site, self.now));
                }
                Way::Explain => {
                    black_box(mapping.explain(&msg, &self.site, self.now));
                }
            }
        }
    }

    /// Nanoseconds for each message of a set that is read over and over.
    fn nanoseconds(&self, way: Way, set: &Set, times: usize) -> f64 {
        let watch = Stopwatch::start();
        for _ in 0..times {
            for payload in &set.payloads {
                self.once(way, payload);
            }
        }
        watch.elapsed().as_secs_f64() * 1e9 / (times * set.payloads.len()) as f64
    }

    /// Allocations and bytes for each message of a set.
    fn allocations(&self, way: Way, set: &Set) -> (f64, f64) {
        let counted = allocation_counter::measure(|| {
            for payload in &set.payloads {
                self.once(way, payload);
            }
        });
        let count = set.payloads.len() as f64;
        (counted.count_total as f64 / count, counted.bytes_total as f64 / count)
    }

    fn compare(&self, set: &Set) {
        let rounds: usize = setting("ROUNDS", 51);
        let times: Vec<usize> = Way::ALL.iter().map(|way| self.times(*way, set)).collect();
        let mut taken = vec![Vec::new(); Way::ALL.len()];
        for _ in 0..rounds.max(1) {
            for ((way, times), taken) in Way::ALL.iter().zip(&times).zip(&mut taken) {
                taken.push(self.nanoseconds(*way, set, *times));
            }
        }
        let (messages, bytes) = (set.payloads.len(), set.mean_bytes());
        println!("{}: {messages} messages of {bytes} bytes on average", set.name);
        println!("way          us/msg      msg/s    x bare   allocs/msg    bytes/msg");
        let bare = taken.first().cloned().unwrap_or_default();
        for (way, taken) in Way::ALL.iter().zip(taken) {
            let ratio = median(taken.iter().zip(&bare).map(|(taken, bare)| taken / bare));
            let nanoseconds = median(taken.iter().copied());
            let (count, bytes) = self.allocations(*way, set);
            println!(
                "{:<8} {:>10.2} {:>10.0} {ratio:>9.2} {count:>12.1} {bytes:>12.0}",
                way.name(),
                nanoseconds / 1e3,
                1e9 / nanoseconds,
            );
        }
    }

    /// How often the set is read in a round.
    fn times(&self, way: Way, set: &Set) -> usize {
        let mut times = 1;
        loop {
            let nanoseconds =
                self.nanoseconds(way, set, times) * (times * set.payloads.len()) as f64;
            if nanoseconds > ROUND.as_secs_f64() * 1e9 {
                return times;
            }
            times *= 2;
        }
    }

    fn repeat(&self, way: Way, set: &Set) {
        let rounds: usize = setting("ROUNDS", 51);
        let times = self.times(way, set);
        let taken = (0..rounds).map(|_| self.nanoseconds(way, set, times));
        println!("{} {}: {:.2} us/msg", set.name, way.name(), median(taken) / 1e3);
    }
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let text = std::env::var(format!("APPOINTD_BENCH_{name}"));
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
