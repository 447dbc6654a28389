//! The CEL environment of rules: the facts as variables, and `version()`.

use std::{
    any::Any,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use cel::{
    Context, Env, ExecutionError, Program, Value,
    common::{
        traits::Comparer,
        types::{CelString, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
    context::VariableResolver,
    objects::{Key, Map},
};
use serde::Serialize;

use super::{FactName, FactSource, RuleError, Verdict};
use crate::model::{
    device::{Facts, Installed},
    version::Version,
};

/// Stack of the thread that parses; the deepest text within the bounds takes less than half of it in a debug build.
const PARSER_STACK: usize = 8 << 20;

/// Parses a text whose bounds were checked, on a thread of its own: the parser takes up to 150 KiB of stack for a pair of brackets,
/// more than a caller can be asked to have left.
pub(super) fn compile(text: &str) -> Result<Program, RuleError> {
    let gave_up = || syntax(1, "the parser gave up on this text");
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("rule-parser".to_owned()).stack_size(PARSER_STACK);
        let parsed = parser.spawn_scoped(scope, || parse(text)).map_err(|_| RuleError::NoThread)?;
        parsed.join().map_err(|_| gave_up())?
    })
}

fn parse(text: &str) -> Result<Program, RuleError> {
    Program::compile(text).map_err(|errors| match errors.errors.first() {
        Some(error) => syntax(error.pos.1, &error.msg),
        None => syntax(1, "not an expression"),
    })
}

fn syntax(column: isize, what: &str) -> RuleError {
    RuleError::Syntax { column: usize::try_from(column).unwrap_or(1).max(1), what: first_line(what) }
}

/// Evaluates a checked program.
pub(super) fn eval(program: &Program, facts: &Facts) -> Verdict {
    let variables = match Variables::new(facts) {
        Ok(variables) => variables,
        Err(why) => return Verdict::Broken { why },
    };
    let result = {
        let Some(env) = ENV.as_ref() else {
            return Verdict::Broken { why: "the rule language could not be set up".to_owned() };
        };
        let mut context = Context::with_env(Arc::clone(env));
        context.set_variable_resolver(&variables);
        program.execute(&context)
    };
    match result {
        Ok(Value::Bool(true)) => Verdict::Yes,
        Ok(Value::Bool(false)) => Verdict::No,
        Ok(other) => {
            Verdict::Broken { why: format!("its result is no bool but {}", first_line(&format!("{other:?}"))) }
        }
        Err(error) => {
            let missing = variables.missing(&error);
            if missing.is_empty() {
                Verdict::Broken { why: first_line(&error.to_string()) }
            } else {
                Verdict::Undecided { missing }
            }
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// The facts as CEL looks them up, remembering what it looked for in vain.
struct Variables {
    values: BTreeMap<String, Box<dyn Val>>,
    missed: Mutex<BTreeSet<FactName>>,
}

impl Variables {
    fn new(facts: &Facts) -> Result<Self, String> {
        let mut new = Self { values: BTreeMap::new(), missed: Mutex::default() };
        let info = &facts.info;
        let dev = [
            ("id", Some(facts.id.as_str())),
            ("man", info.man.as_deref()),
            ("mod", info.model.as_deref()),
            ("dmv", info.dmv.as_deref()),
            ("lang", info.lang.as_deref()),
        ];
        new.object("dev", dev.into_iter().filter_map(|(name, text)| Some((name, text?.into()))))?;
        if let Some(detail) = &facts.detail {
            let texts = [
                ("devtyp", &detail.devtyp),
                ("oem", &detail.oem),
                ("fwv", &detail.fwv),
                ("swv", &detail.swv),
                ("hwv", &detail.hwv),
            ];
            let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?.into())));
            new.object("detail", texts.chain(detail.lrgobj.map(|yes| ("lrgobj", yes.into()))))?;
        }
        if let Some(installed) = &facts.installed {
            new.put("installed", cel::to_value(installed.iter().map(Component::of).collect::<Vec<_>>()))?;
        }
        if let Some(ua) = &facts.user_agent {
            new.put("ua", cel::to_value(ua))?;
        }
        new.put("tags", cel::to_value(&facts.tags))?;
        Ok(new)
    }

    fn put(&mut self, name: &str, value: Result<Value, cel::SerializationError>) -> Result<(), String> {
        let value = value.map_err(|e| format!("{name}: {e}"))?;
        let value: Box<dyn Val> = value.try_into().map_err(|_| format!("{name}: not a value of the rule language"))?;
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Each leaf under its full name, and all of them together for `has()`.
    fn object<'a>(&mut self, whole: &str, leaves: impl Iterator<Item = (&'a str, Value)>) -> Result<(), String> {
        let leaves: BTreeMap<_, _> = leaves.collect();
        for (name, value) in &leaves {
            self.put(&format!("{whole}.{name}"), Ok(value.clone()))?;
        }
        let map = leaves.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
        self.put(whole, Ok(Value::Map(Map { map: Arc::new(map) })))
    }

    /// The facts without which there was no result. An error that has another cause may come with them; it shows itself once they
    /// are known.
    fn missing(self, error: &ExecutionError) -> BTreeSet<FactName> {
        let mut missed = self.missed.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let ExecutionError::NoSuchKey(key) = error {
            missed.extend(FactName::named(&format!("installed.{key}")));
        }
        if missed.iter().any(|fact| *fact != FactName::Detail && fact.source() == FactSource::DevDetail) {
            missed.remove(&FactName::Detail);
        }
        missed
    }
}

impl VariableResolver for Variables {
    /// CEL asks for the longest name first (`detail.fwv`), then for its beginning (`detail`).
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let value = self.values.get(name);
        if value.is_none()
            && let Some(fact) = FactName::named(name)
        {
            self.missed.lock().unwrap_or_else(PoisonError::into_inner).insert(fact);
        }
        value.map(|value| CowVal::Borrowed(value.as_ref()))
    }
}

/// A component as rules see it; what the device does not say is left out.
#[derive(Serialize)]
struct Component<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkg: Option<&'a str>,
}

impl<'a> Component<'a> {
    fn of(one: &'a Installed) -> Self {
        Self { id: one.id.as_str(), version: one.version.as_deref(), active: one.active, pkg: one.pkg.as_deref() }
    }
}

static ENV: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_overload("version", "version_string", vec![STRING_TYPE], version_of_text).ok()?;
    Some(Arc::new(env))
});

static VERSION_TYPE: Type = Type::new_unspecified_type("version");

#[expect(clippy::needless_pass_by_value, reason = "the signature that CEL calls")]
fn version_of_text<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|value| value.downcast_ref::<CelString<'_>>());
    let text = text.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let version = Version::parse(text.inner().trim()).map_err(|e| ExecutionError::function_error("version", e))?;
    Ok(CowVal::owned(CelVersion(version)))
}

/// A version as a CEL value: compares with its like alone.
#[derive(Debug, Clone)]
struct CelVersion(Version);

impl Val for CelVersion {
    fn get_type(&self) -> &Type {
        &VERSION_TYPE
    }

    fn cel_type() -> &'static Type {
        &VERSION_TYPE
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| other.0 == self.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for CelVersion {}

impl Comparer for CelVersion {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        let error =
            || ExecutionError::UnexpectedType { got: other.get_type().name().to_owned(), want: "version".to_owned() };
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0)).ok_or_else(error)
    }
}
