//! Which controllers run: `a,b` only these, `-c` all but this one, `-*` none.

use std::str::FromStr;

use pintle_controllers::{ALL, Controller};

/// A choice of controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Selection, String> {
        let mut selection = Selection { wanted: Vec::new(), unwanted: Vec::new() };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (list, name) = match word.strip_prefix('-') {
                Some(name) => (&mut selection.unwanted, name),
                None => (&mut selection.wanted, word),
            };
            if name != "*" && !ALL.iter().any(|controller| controller.name == name) {
                let names: Vec<&str> = ALL.iter().map(|controller| controller.name).collect();
                return Err(format!("there is no controller {name}; there are {}", names.join(", ")));
            }
            list.push(name.to_owned());
        }
        Ok(selection)
    }
}

impl Selection {
    /// The chosen controllers.
    pub(crate) fn controllers(&self) -> Vec<&'static Controller> {
        let named = |list: &[String], name: &str| list.iter().any(|it| it == name);
        let everything = self.wanted.is_empty() || named(&self.wanted, "*");
        let chosen = |name: &str| {
            if named(&self.unwanted, name) {
                return false;
            }
            named(&self.wanted, name) || everything && !named(&self.unwanted, "*")
        };
        ALL.iter().copied().filter(|controller| chosen(controller.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        text.parse::<Selection>().unwrap().controllers().iter().map(|it| it.name).collect()
    }

    #[test]
    fn controllers_are_chosen_by_name() {
        assert_eq!(names("*").len(), ALL.len());
        assert_eq!(names("-*"), Vec::<&str>::new());
        assert_eq!(names("namespace-controller"), ["namespace-controller"]);
        assert_eq!(names("*,-namespace-controller").len(), ALL.len() - 1);
        assert_eq!(names("-namespace-controller").len(), ALL.len() - 1);
        assert!("nobody".parse::<Selection>().unwrap_err().contains("namespace-controller"));
    }
}
