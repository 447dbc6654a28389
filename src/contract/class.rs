//! Device classes: a rule, and how the devices that it holds for bend the rules (`[[device_class]]` of the settings).

use serde::{Deserialize, Serialize};

use crate::{
    job::procedure,
    model::{
        device::Facts,
        rule::{Rule, Verdict},
    },
    protocol::dm1,
};

/// A named set of settings for the devices that match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceClass {
    /// Unique; a device record may name it as `class`.
    pub name: String,
    /// For which devices; absent: only for those whose record names the class.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// The dialogue's keys.
    #[serde(default)]
    pub dm: dm1::Quirks,
    /// The keys of component management.
    #[serde(default)]
    pub scomo: procedure::Quirks,
}

/// All classes, in order, and the one of devices that bend no rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<DeviceClass>", into = "Vec<DeviceClass>")]
pub struct Classes {
    listed: Vec<DeviceClass>,
    usual: DeviceClass,
}

/// Why a list of classes is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// Two of one name, or one of the name of the built-in class.
    #[error("two device classes are called {0:?}; `{usual}` is built in", usual = Classes::USUAL)]
    Twice(String),
    /// A name that could not be told apart in a device record.
    #[error("a device class has a name of 1 to 64 characters without white space around it, not {0:?}")]
    Name(String),
}

impl Classes {
    /// The name of the built-in class of devices that bend no rule.
    pub const USUAL: &str = "default";

    /// Takes the classes in the order in which they are tried.
    ///
    /// # Errors
    /// If a name is unfit or given twice.
    pub fn new(listed: Vec<DeviceClass>) -> Result<Self, ClassError> {
        for (i, class) in listed.iter().enumerate() {
            let name = class.name.as_str();
            if name.is_empty() || name.len() > 64 || name.trim() != name {
                return Err(ClassError::Name(name.to_owned()));
            }
            if name == Self::USUAL || listed.iter().take(i).any(|c| c.name == name) {
                return Err(ClassError::Twice(name.to_owned()));
            }
        }
        Ok(Self { listed, ..Self::default() })
    }

    /// The class of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&DeviceClass> {
        self.listed.iter().chain([&self.usual]).find(|class| class.name == name)
    }

    /// The class of a device: the one that its record names, else the first whose rule holds, else the built-in one. A rule that is
    /// undecided does not hold; a name that no class has any more counts as none.
    #[must_use]
    pub fn pick(&self, facts: &Facts, named: Option<&str>) -> &DeviceClass {
        let holds = |class: &&DeviceClass| class.rule.as_ref().is_some_and(|rule| rule.eval(facts) == Verdict::Yes);
        named.and_then(|name| self.get(name)).or_else(|| self.listed.iter().find(holds)).unwrap_or(&self.usual)
    }
}

impl Default for Classes {
    fn default() -> Self {
        let usual = DeviceClass {
            name: Self::USUAL.to_owned(),
            rule: None,
            dm: dm1::Quirks::default(),
            scomo: procedure::Quirks::default(),
        };
        Self { listed: Vec::new(), usual }
    }
}

impl TryFrom<Vec<DeviceClass>> for Classes {
    type Error = ClassError;

    fn try_from(listed: Vec<DeviceClass>) -> Result<Self, ClassError> {
        Self::new(listed)
    }
}

impl From<Classes> for Vec<DeviceClass> {
    fn from(classes: Classes) -> Self {
        classes.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        device::{Abilities, DevInfo},
        id::DeviceId,
    };

    #[derive(Deserialize)]
    struct Settings {
        device_class: Classes,
    }

    fn read(text: &str) -> Result<Classes, String> {
        toml::from_str::<Settings>(text).map(|s| s.device_class).map_err(|e| e.to_string())
    }

    fn device(man: &str) -> Facts {
        Facts {
            id: DeviceId::parse("d").unwrap(),
            info: DevInfo { man: Some(man.to_owned()), ..DevInfo::default() },
            detail: None,
            installed: None,
            user_agent: None,
            tags: Vec::new(),
            abilities: Abilities::default(),
        }
    }

    const TWO: &str = r#"
        [[device_class]]
        name = "new-firmware"
        match = "version(detail.fwv) >= version('3.0')"

        [[device_class]]
        name = "acme"
        match = "dev.man == 'Acme'"
        [device_class.dm]
        size_unit = "decoded"
        [device_class.scomo]
        alternate = "package"
    "#;

    #[test]
    fn the_first_class_that_surely_matches_is_the_devices() {
        let classes = read(TWO).unwrap();
        let acme = classes.pick(&device("Acme"), None);
        assert_eq!((acme.name.as_str(), acme.dm.size_unit), ("acme", dm1::SizeUnit::Decoded));
        assert_eq!(acme.scomo.alternate, procedure::Alternate::Package);
        assert_eq!(classes.pick(&device("Other"), None).name, Classes::USUAL);
    }

    #[test]
    fn a_record_names_its_class_against_every_rule() {
        let classes = read(TWO).unwrap();
        assert_eq!(classes.pick(&device("Acme"), Some("new-firmware")).name, "new-firmware");
        assert_eq!(classes.pick(&device("Acme"), Some("gone")).name, "acme");
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_name() {
        let bad = |text: &str| read(&format!("[[device_class]]\nname = 'a'\n{text}")).unwrap_err();
        assert!(bad("colour = 'red'").contains("colour"));
        assert!(bad("[device_class.dm]\nsize_unti = 'decoded'").contains("size_unti"));
        assert!(bad("match = 'dev.man =='").contains("match"));
        assert!(bad("[[device_class]]\nname = 'a'").contains("two device classes"));
        assert!(bad("[[device_class]]\nname = 'default'").contains("built in"));
        assert!(bad("[[device_class]]\nname = ' '").contains("1 to 64"));
    }
}
