//! The syntax of paths.

use std::fmt;

use crate::hl7::SegmentName;

use super::super::fault::suggestion;
use super::super::table::Folded;
use super::{NAMED, Number, Path, Pick, Test, Timing, Wanted, is_resource};

/// Why text is no path, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Error {
    at: usize,
    problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.problem, self.at + 1)
    }
}

/// The segments of HL7 v2.1 to v2.8.2; those of sites begin with Z.
const SEGMENTS: &[&str] = &[
    "ABS", "ACC", "ADD", "ADJ", "AFF", "AIG", "AIL", "AIP", "AIS", "AL1", "APR", "ARQ", "ARV",
    "AUT", "BHS", "BLC", "BLG", "BPO", "BPX", "BTS", "BTX", "BUI", "CDM", "CDO", "CER", "CM0",
    "CM1", "CM2", "CNS", "CON", "CSP", "CSR", "CSS", "CTD", "CTI", "DB1", "DEV", "DG1", "DMI",
    "DON", "DRG", "DSC", "DSP", "DST", "ECD", "ECR", "EDU", "EQL", "EQP", "EQU", "ERQ", "ERR",
    "EVN", "FAC", "FHS", "FT1", "FTS", "GOL", "GP1", "GP2", "GT1", "IAM", "IAR", "IIM", "ILT",
    "IN1", "IN2", "IN3", "INV", "IPC", "IPR", "ISD", "ITM", "IVC", "IVT", "LAN", "LCC", "LCH",
    "LDP", "LOC", "LRL", "MCP", "MFA", "MFE", "MFI", "MRG", "MSA", "MSH", "NCK", "NDS", "NK1",
    "NPU", "NSC", "NST", "NTE", "OBR", "OBX", "ODS", "ODT", "OM1", "OM2", "OM3", "OM4", "OM5",
    "OM6", "OM7", "ORC", "ORG", "OVR", "PAC", "PCE", "PCR", "PD1", "PDA", "PDC", "PEO", "PES",
    "PID", "PKG", "PMT", "PR1", "PRA", "PRB", "PRC", "PRD", "PRT", "PSG", "PSH", "PSL", "PSS",
    "PTH", "PV1", "PV2", "PYE", "QAK", "QID", "QPD", "QRD", "QRF", "QRI", "RCP", "RDF", "RDT",
    "REL", "RF1", "RFI", "RGS", "RMI", "ROL", "RQ1", "RQD", "RXA", "RXC", "RXD", "RXE", "RXG",
    "RXO", "RXR", "RXV", "SAC", "SCD", "SCH", "SCP", "SDD", "SFT", "SGH", "SGT", "SID", "SLT",
    "SPM", "SPR", "STF", "STZ", "TCC", "TCD", "TQ1", "TQ2", "TXA", "UAC", "UB1", "UB2", "URD",
    "URS", "VAR", "VND", "VTQ",
];

impl Path {
    /// Reads a path.
    pub(in super::super) fn parse(text: &str) -> Result<Self, Error> {
        let mut reader = Reader { text, rest: text };
        let name = text.get(..3).and_then(|name| SegmentName::parse(name).ok());
        let Some(segment) = name else {
            return reader.fail(
                "a path begins with a segment name of three capitals or digits, as in PID-5.1",
            );
        };
        if !SEGMENTS.contains(&segment.as_str()) && !segment.as_str().starts_with('Z') {
            let hint = suggestion(segment.as_str(), SEGMENTS.iter().copied());
            return reader.fail(format!("no segment of the standard is named {segment}{hint}"));
        }
        reader.rest = text.get(3..).unwrap_or_default();
        let occurrence = reader.pick()?;
        if !reader.eat('-') {
            return reader.fail("a hyphen and a field number are expected, as in PID-5.1");
        }
        let field = reader.number()?;
        let repetition = reader.pick()?;
        let component = if reader.eat('.') { Some(reader.number()?) } else { None };
        let deeper = component.is_some() && reader.eat('.');
        let subcomponent = if deeper { Some(reader.number()?) } else { None };
        if !reader.rest.is_empty() {
            return reader.fail("the path should end here");
        }
        let timing = match (segment.as_str(), field) {
            ("SCH", 11) => Timing::Repetition,
            ("TQ1", _) => Timing::Segment,
            _ => Timing::None,
        };
        Ok(Self {
            segment,
            occurrence,
            field,
            repetition,
            component,
            subcomponent,
            is_resource: is_resource(segment),
            group: SegmentName::RGS,
            timing,
        })
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, Error> {
        let read = self.text.get(..self.text.len() - self.rest.len()).unwrap_or_default();
        Err(Error { at: read.chars().count(), problem: problem.into() })
    }

    fn eat(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|char| !belongs(char)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn number(&mut self) -> Result<u16, Error> {
        let digits = self.take_while(|char| char.is_ascii_digit());
        match digits.parse() {
            Ok(number) if number > 0 => Ok(number),
            Ok(_) | Err(_) => self.fail("a number from 1 to 65535 is expected"),
        }
    }

    fn pick(&mut self) -> Result<Pick, Error> {
        let mut pick = Pick::default();
        while self.eat('[') {
            let starts_number = self.rest.starts_with(|char: char| char.is_ascii_digit());
            let is_test = self
                .rest
                .find(['=', ']'])
                .is_some_and(|at| self.rest.get(at..).is_some_and(|rest| rest.starts_with('=')));
            if is_test {
                pick.tests.push(self.test()?);
            } else if pick.number != Number::FirstValued {
                return self.fail("only one number can be picked");
            } else if self.eat('*') {
                pick.number = Number::Every;
            } else if starts_number {
                pick.number = Number::Nth(self.number()?);
            } else {
                return self.fail("a number, * or a test such as 5=MR is expected");
            }
            if !self.eat(']') {
                return self.fail("a closing bracket is expected");
            }
        }
        Ok(pick)
    }

    fn test(&mut self) -> Result<Test, Error> {
        let mut at = Vec::new();
        loop {
            let name = self.take_while(|char| char.is_ascii_lowercase() || char == '_');
            if name.is_empty() {
                let first = self.number()?;
                let second = if self.eat('.') { Some(self.number()?) } else { None };
                at.push((first, second));
            } else if let Some((_, numbers)) = NAMED.iter().find(|(known, _)| *known == name) {
                at.extend(numbers.iter().map(|number| (*number, None)));
            } else {
                let hint = suggestion(name, NAMED.iter().map(|(known, _)| *known));
                return self.fail(format!("\"{name}\" names no component{hint}"));
            }
            if !self.eat(',') {
                break;
            }
        }
        let negated = self.eat('!');
        if !self.eat('=') {
            return self.fail("= or != is expected");
        }
        let values = self.take_while(|char| char != ']');
        Ok(Test { at, negated, values: values.split('|').map(wanted).collect() })
    }
}

fn wanted(text: &str) -> Wanted {
    match text.strip_suffix('*') {
        Some(prefix) => Wanted::Prefix(Folded::new(prefix)),
        None => Wanted::Exactly(Folded::new(text)),
    }
}
