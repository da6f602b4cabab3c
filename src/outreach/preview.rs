//! From a list to its survey and quote, and then to its recipients: the same rows twice.
//!
//! The first pass looks and counts, the second gives out. Both judge a row alike, by what stands in
//! the list alone; whether a phone is opted out is asked in the first only, as nobody is texted
//! without being asked about again.

use std::io::Read;

use super::encoding::Charset;
use super::list::{Error, List};
use super::quote::{Quote, Quoter, Terms};
use super::survey::{Examiner, Finding, Problem, Standing, Survey};
use crate::core::campaign::Recipient;
use crate::core::flow::Program;
use crate::core::phone::{PhoneNumber, Region};

/// What there is to say about a list before it is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What is wrong with it.
    pub survey: Survey,
    /// What it comes to.
    pub quote: Quote,
}

/// Who is asked, and told, while a list is looked over.
pub struct Around<'a> {
    /// How phones without a country are read.
    pub region: Region,
    /// Whether a phone may be texted.
    pub standing: &'a dyn Fn(&PhoneNumber) -> Standing,
    /// Is told each finding.
    pub found: &'a mut dyn FnMut(&Finding),
}

impl std::fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Looks a list over.
///
/// # Errors
/// If it cannot be read to its end.
pub fn preview<R: Read>(
    (source, charset): (R, Charset),
    terms: Terms<'_>,
    around: &mut Around<'_>,
) -> Result<Preview, Error> {
    let mut list = List::open(source, charset)?;
    let mut survey = Survey {
        charset: charset.name().to_owned(),
        delimiter: list.delimiter(),
        columns: list.header().names().to_vec(),
        ..Survey::default()
    };
    let mut needed = Vec::new();
    for name in needs(terms.program) {
        if list.header().place(&name).is_some() {
            needed.push(name);
        } else {
            let like = list.header().like(&name).map(str::to_owned);
            survey.missing.push((name, like));
        }
    }
    let mut examiner = Examiner::new(around.region, needed);
    let mut quoter = Quoter::new(terms);
    while let Some(row) = list.next_row()? {
        let line = row.line;
        let (recipient, mut findings) = examiner.examine(row);
        if let Some(recipient) = &recipient {
            let standing = (around.standing)(&recipient.phone);
            let problem = quoted(&mut quoter, recipient, standing);
            findings.extend(problem.map(|problem| Finding { line, column: None, problem }));
        }
        findings.iter().for_each(&mut *around.found);
        survey.count(recipient.is_some(), &findings);
    }
    Ok(Preview { survey, quote: quoter.finish() })
}

fn quoted(quoter: &mut Quoter<'_>, recipient: &Recipient, standing: Standing) -> Option<Problem> {
    let refused = match standing {
        Standing::Free => return quoter.add(recipient),
        Standing::OptedOut => Problem::OptedOut,
        Standing::BadNumber => Problem::BadNumber,
    };
    quoter.leave_out();
    Some(refused)
}

/// The columns without which a text of the flow has a gap.
fn needs(program: &Program) -> Vec<String> {
    program.columns().into_iter().filter(|column| column.is_needed).map(|c| c.name).collect()
}

/// The recipients of a list that was looked over: rows with a fault are left out.
#[derive(Debug)]
pub struct Recipients<R> {
    list: List<R>,
    examiner: Examiner,
}

impl<R: Read> Recipients<R> {
    /// Begins at the first row.
    ///
    /// # Errors
    /// As [`preview`].
    pub fn open(
        (source, charset): (R, Charset),
        program: &Program,
        region: Region,
    ) -> Result<Self, Error> {
        let list = List::open(source, charset)?;
        let examiner = Examiner::new(region, needs(program));
        Ok(Self { list, examiner })
    }

    /// The next recipients, at most so many; none at the end.
    ///
    /// # Errors
    /// As [`preview`].
    pub fn next(&mut self, max: usize) -> Result<Vec<Recipient>, Error> {
        let mut found = Vec::with_capacity(max);
        while found.len() < max {
            let Some(row) = self.list.next_row()? else { break };
            found.extend(self.examiner.examine(row).0);
        }
        Ok(found)
    }
}
