//! Which object a name means: `STACK/LogicalId`, a logical id, a Name tag or an AWS id.
//!
//! What a packet can meet stands in the compiled tables, whatever its kind; what else the templates declare is known from
//! the stacks' reports, so that an object that exists but that nothing leads to makes an expectation fail, not err.

use std::collections::BTreeSet;

use super::meaning::Thing;
use crate::dataplane::Tables;
use crate::template::{StackReport, nearest};

/// All names of a lab.
#[derive(Debug)]
pub struct Names {
    candidates: Vec<Candidate>,
    /// Declared, but not emulated: name and type.
    absent: Vec<(String, String)>,
}

#[derive(Debug)]
struct Candidate {
    id: String,
    /// `stack/LogicalId`, a Name tag, or nothing.
    name: String,
}

impl Candidate {
    fn is_named(&self, text: &str) -> bool {
        self.id == text || self.name == text || short(&self.name) == text
    }

    /// What tells objects apart: those of one name belong together, such as an endpoint and its network interfaces.
    fn whole(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

fn short(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, logical_id)| logical_id)
}

impl Names {
    /// Collects them.
    pub fn new(tables: &Tables, stacks: &[StackReport]) -> Self {
        let objects = tables.objects.iter().filter(|object| !object.id.is_empty());
        let mut candidates: Vec<Candidate> =
            objects.map(|object| Candidate { id: object.id.clone(), name: object.name.clone() }).collect();
        let mut absent = Vec::new();
        for stack in stacks {
            for resource in &stack.resources {
                let name = format!("{}/{}", stack.name, resource.logical_id);
                match &resource.physical_id {
                    Some(id) => candidates.push(Candidate { id: id.clone(), name }),
                    None => absent.push((name, resource.type_name.clone())),
                }
            }
        }
        Self { candidates, absent }
    }

    /// The object that `text` means.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn find(&self, text: &str) -> Result<Thing, (String, Option<String>)> {
        let found = || self.candidates.iter().filter(|candidate| candidate.is_named(text));
        let wholes: BTreeSet<&str> = found().map(Candidate::whole).collect();
        match wholes.into_iter().collect::<Vec<_>>().as_slice() {
            [only] => {
                let ids = self.candidates.iter().filter(|candidate| candidate.whole() == *only);
                Ok(Thing { name: text.to_owned(), ids: ids.map(|candidate| candidate.id.clone()).collect() })
            }
            [] => Err(self.unknown(text)),
            several => Err((format!("`{text}` could be any of {}", several.join(", ")), Some("say which".to_owned()))),
        }
    }

    fn unknown(&self, text: &str) -> (String, Option<String>) {
        let absent = self.absent.iter().find(|(name, _)| name == text || short(name) == text);
        if let Some((_, type_name)) = absent {
            let message = format!("`{text}` ({type_name}) is not emulated: no packet can pass it");
            return (message, Some("`vpclab check` lists what is not emulated".to_owned()));
        }
        let names = self.candidates.iter().filter(|candidate| candidate.name.contains('/'));
        let names = names.flat_map(|candidate| [short(&candidate.name), candidate.name.as_str()]);
        let help = nearest(text, names).map(|name| format!("did you mean `{name}`?"));
        let help = help.unwrap_or_else(|| "name an object by its logical id, STACK/LOGICAL_ID or AWS id".to_owned());
        (format!("there is no object `{text}` in the lab"), Some(help))
    }
}
