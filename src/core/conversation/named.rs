//! Which appointments a reply names, among those that the patient has before the eyes.

use super::super::appointment::Appointment;
use super::super::contact::Question;
use super::super::ids::AppointmentKey;
use super::super::reply::{Intent, fold, is_acknowledgment, understand};
use super::super::select::{Choice, Numbers, Selection, select};
use super::act::Part;
use super::meant::asked_together;
use super::{Talk, is_about_visit, primary};

/// What a reply names.
pub(super) enum Names {
    These(Vec<Part>),
    InDoubt,
    None,
}

/// The appointments that the patient has before the eyes.
pub(super) struct Shown {
    pub(super) keys: Vec<AppointmentKey>,
    pub(super) numbers: Numbers,
    pub(super) question: Option<Intent>,
}

impl Talk<'_> {
    pub(super) fn shown(&self) -> Shown {
        let is_fresh =
            |question: &&Question| self.now - question.at <= self.rules.replies.prompt_counts_for;
        if let Some(question) = self.contact.question.as_ref().filter(is_fresh) {
            let keys = question.options.clone();
            return Shown { keys, numbers: Numbers::Places, question: Some(question.intent) };
        }
        if let Some(latest) = self.prompts.last().filter(|latest| latest.appointments.len() > 1) {
            let keys = latest.appointments.clone();
            return Shown { keys, numbers: Numbers::Places, question: None };
        }
        let keys = self.open.iter().map(|open| open.key.clone()).collect();
        Shown { keys, numbers: Numbers::Nothing, question: None }
    }

    /// What the text says of appointments that it names, if it does so plainly.
    pub(super) fn named(&self, shown: &Shown) -> Names {
        let rows: Vec<Option<&Appointment>> =
            shown.keys.iter().map(|key| self.scene.appointments.get(key)).collect();
        let choices: Vec<Choice<'_>> = rows
            .iter()
            .map(|row| Choice {
                given: row.and_then(|row| Some(row.patient.given.as_ref()?.expose().as_str())),
                start: row.and_then(|row| row.start.as_ref()),
            })
            .collect();
        let words = &self.rules.replies.words;
        let today = self.zone().date(self.now);
        let text = self.reply.body.expose();
        let picks = match select(text, &choices, shown.numbers, words, today) {
            Selection::Nothing => return Names::None,
            Selection::InDoubt => return Names::InDoubt,
            Selection::Picks(picks) => picks,
        };
        let own = self.language.as_deref().map(primary);
        let mut parts = Vec::new();
        for pick in picks {
            let intent = self.said_of(pick.rest.trim(), shown, own);
            let Some(intent) = intent.filter(|intent| is_about_visit(*intent)) else {
                return Names::None;
            };
            let keys = pick.choices.iter().filter_map(|index| shown.keys.get(*index)).cloned();
            let mut keys: Vec<AppointmentKey> = keys.collect();
            if keys.len() > 1 && shown.numbers == Numbers::Nothing {
                // "All" of no list are those that were asked about together.
                let asked = asked_together(&self.prompts);
                keys.retain(|key| asked.contains(&key));
            }
            if keys.is_empty() {
                return Names::None;
            }
            parts.push(Part { intent, keys });
        }
        if parts.is_empty() { Names::None } else { Names::These(parts) }
    }

    /// What is said of what is named. To a question the name alone is the answer, with a "yes" before
    /// it or a "please" behind it; one that asks back is none.
    fn said_of(&self, rest: &str, shown: &Shown, own: Option<&str>) -> Option<Intent> {
        let words = &self.rules.replies.words;
        let is_bare = rest.is_empty() || is_acknowledgment(rest, words);
        let said = understand(rest, own, words);
        let asks_back = self.reply.body.expose().contains(['?', '¿']);
        if let Some(asked) = shown.question {
            if is_bare {
                return (!asks_back).then_some(asked);
            }
            let folded = fold(rest);
            let is_letter = folded == "c" || folded.contains("confirm");
            if said == Intent::Confirm && !is_letter {
                return Some(asked);
            }
        }
        Some(said)
    }

    /// Remembers a list as it was written last: what has been called off since has no number in it.
    pub(super) fn list_anew(&mut self, listed: &[AppointmentKey]) {
        if listed.is_empty() {
            return;
        }
        if let Some(question) = &mut self.contact.question {
            question.options = listed.to_vec();
        } else if let Some(latest) = self.prompts.last()
            && let Some(prompt) = self.contact.prompts.iter_mut().find(|prompt| *prompt == latest)
        {
            prompt.appointments = listed.to_vec();
        }
    }
}
