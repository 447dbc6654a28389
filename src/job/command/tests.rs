//! Lists of commands on a device that answers as each test says.

use std::collections::BTreeSet;

use super::{Item, ItemOutcome, *};
use crate::{
    job::procedure::{Collect, Context, Effect, Ending, FailureClass, Input, Quirks},
    model::{
        clock::Mint,
        tree::{Answer, AskId, Branch, Outcome},
    },
};

/// A list on its way, whose session comes and goes.
struct World {
    run: Run,
    asks: Vec<(AskId, Intent)>,
    awaited: usize,
    ending: Option<Ending>,
    late: bool,
    held: bool,
    holds: usize,
    mint: Counting,
}

struct Counting(u8);

impl Mint for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

impl World {
    fn new(list: Vec<Command>, group: Option<Grouping>) -> Self {
        let run = Run::new(Commands { list, group });
        Self { run, asks: vec![], awaited: 0, ending: None, late: false, held: false, holds: 0, mint: Counting(0) }
    }

    fn one_by_one(list: Vec<Command>) -> Self {
        Self::new(list, None)
    }

    /// Feeds an input; the run goes through its stored form.
    fn feed(&mut self, input: Input) {
        let stored = serde_json::to_string(&self.run).unwrap();
        let run: Run = serde_json::from_str(&stored).unwrap();
        assert_eq!(run, self.run);
        let quirks = Quirks::default();
        let (collect, fresh) = (Collect::default(), BTreeSet::new());
        let cx = Context {
            roots: &[],
            rootless: false,
            inventory: None,
            collect: &collect,
            fresh: &fresh,
            quirks: &quirks,
            lacks: &[],
            report_late: self.late,
            question: None,
            ui: None,
            lang: Some("de"),
            held: self.held,
        };
        let (run, effects) = run.handle(input, &cx, &mut self.mint);
        self.run = run;
        for effect in effects {
            assert_eq!(self.ending, None, "nothing comes after the end");
            match effect {
                Effect::Ask(ask) => self.asks.push((ask.id, ask.intent)),
                Effect::AwaitReport { .. } => self.awaited += 1,
                Effect::Finished(ending) => self.ending = Some(ending),
                Effect::Held => self.holds += 1,
                Effect::Note(_) | Effect::Heard(_) => {}
                Effect::Need(_) | Effect::Learned(_) => panic!("a list wants no such thing"),
            }
        }
    }

    fn start(mut self) -> Self {
        self.feed(Input::Started);
        self
    }

    /// Answers the last ask.
    fn says(mut self, outcome: Outcome) -> Self {
        let (ask, _) = self.asks.last().unwrap().clone();
        self.feed(Input::Outcome { ask, outcome });
        self
    }

    /// The session is lost, and another comes.
    fn lost(mut self) -> Self {
        self.feed(Input::SessionEnded);
        self.start()
    }

    fn told(mut self, text: &str) -> Self {
        let correlator = self.run.awaited().next().unwrap().clone();
        self.feed(Input::Told { correlator, texts: vec![text.to_owned()] });
        self
    }

    fn said(&self) -> Vec<&Intent> {
        self.asks.iter().map(|(_, intent)| intent).collect()
    }

    fn outcomes(&self) -> Vec<ItemOutcome> {
        let items = self.run.items();
        assert!(items.iter().enumerate().all(|(index, item)| item.index == index), "{items:?}");
        items.iter().map(|item| item.outcome).collect()
    }

    fn item(&self, index: usize) -> Item {
        self.run.items().remove(index)
    }

    fn failure(&self) -> (FailureClass, Option<u16>, bool) {
        let Some(Ending::Failed(failure)) = &self.ending else { panic!("{:?}", self.ending) };
        (failure.class, failure.device_code, failure.retryable)
    }
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn get() -> Command {
    Command::Get { uri: uri("./A/Leaf") }
}

fn add() -> Command {
    Command::Add { uri: uri("./A/New"), leaf: Some(Leaf::chr("x")) }
}

fn delete() -> Command {
    Command::Delete { uri: uri("./A/Old") }
}

fn copy() -> Command {
    Command::Copy { from: uri("./A/1"), to: uri("./A/2") }
}

fn exec() -> Command {
    Command::Exec { uri: uri("./A/Op") }
}

fn prompt(kind: PromptKind) -> Command {
    let text = [("en", "Now?"), ("de", "Jetzt?")].map(|(tag, text)| (tag.to_owned(), text.to_owned()));
    let text = Texts::new(text.into()).unwrap();
    Command::Prompt(Question { kind, text, choices: vec![], options: PromptOptions::default() })
}

fn written() -> Outcome {
    Outcome::Written { skipped: vec![] }
}

const SUCCESS: Ending = Ending::Succeeded { code: None, confirmed: false };

use ItemOutcome::{Answered, Done, Failed, Pending, Skipped, Unknown};

#[test]
fn commands_are_said_one_after_the_other_and_what_is_read_is_told() {
    let world = World::one_by_one(vec![get(), add(), delete(), copy()]).start();
    assert_eq!(world.asks.len(), 1, "the next comes when this is answered");
    let world = world.says(Outcome::Read(Branch::chr("v"))).says(written()).says(Outcome::Missing).says(written());
    assert_eq!((world.ending.as_ref(), world.outcomes()), (Some(&SUCCESS), vec![Done; 4]));
    let intents = world.said();
    assert!(matches!(intents[0], Intent::ReadSubtree { at } if at.to_string() == "./A/Leaf"));
    assert!(matches!(intents[1], Intent::PutLeaf { how: PutHow::Add, .. }));
    assert!(matches!(intents[3], Intent::Copy { from, .. } if from.to_string() == "./A/1"));
    let value = serde_json::to_value(world.item(0)).unwrap();
    assert_eq!(value, serde_json::json!({ "index": 0, "outcome": "done", "value": { "format": "chr", "value": "v" } }));
    assert_eq!(world.item(2).status, Some(404));
}

#[test]
fn a_list_stops_at_the_first_that_fails() {
    for (outcome, class, code, retryable) in [
        (Outcome::Refused { code: 425 }, FailureClass::Refused, Some(425), false),
        (Outcome::Refused { code: 500 }, FailureClass::Refused, Some(500), true),
        (Outcome::Unsupported { code: Some(406) }, FailureClass::Incapable, Some(406), false),
        (Outcome::Missing, FailureClass::Refused, Some(404), true),
    ] {
        let world = World::one_by_one(vec![delete(), get(), add()]).start().says(Outcome::Deleted).says(outcome);
        assert_eq!((world.failure(), world.outcomes()), ((class, code, retryable), vec![Done, Failed, Skipped]));
        assert_eq!(world.item(1).status, code);
    }
}

#[test]
fn a_list_of_which_something_was_done_for_good_is_not_tried_again() {
    let tries = |list: Vec<Command>, first: Outcome| {
        World::one_by_one(list).start().says(first).says(Outcome::Refused { code: 500 }).failure().2
    };
    assert!(tries(vec![delete(), get()], Outcome::Deleted));
    assert!(!tries(vec![add(), get()], written()));
    assert!(!tries(vec![copy(), get()], written()));
    assert!(!tries(vec![exec(), get()], Outcome::Done { code: 200 }));
    assert!(!tries(vec![prompt(PromptKind::Confirm), get()], Outcome::Answered(Answer::Yes)));
}

#[test]
fn a_question_is_asked_in_the_language_of_the_device() {
    let world = World::one_by_one(vec![prompt(PromptKind::Input), delete()]).start();
    assert!(matches!(world.said()[0], Intent::Prompt(prompt) if prompt.text == "Jetzt?"), "{:?}", world.asks);
    let world = world.says(Outcome::Answered(Answer::Given(vec!["Ada".to_owned()]))).says(Outcome::Deleted);
    assert_eq!((world.ending.as_ref(), world.outcomes()), (Some(&SUCCESS), vec![Answered, Done]));
    assert_eq!(serde_json::to_value(world.item(0).value).unwrap(), serde_json::json!({ "given": ["Ada"] }));
}

#[test]
fn a_no_declines_and_silence_fails() {
    for (answer, word) in [(Answer::No, "no"), (Answer::Cancelled, "cancelled")] {
        let world =
            World::one_by_one(vec![prompt(PromptKind::Confirm), exec()]).start().says(Outcome::Answered(answer));
        assert_eq!(world.ending, Some(Ending::Declined { code: None }));
        assert_eq!(world.outcomes(), [Answered, Skipped]);
        assert_eq!(serde_json::to_value(world.item(0).value).unwrap(), serde_json::json!({ "answer": word }));
    }
    let asked = World::one_by_one(vec![prompt(PromptKind::Confirm), exec()]).start();
    let world = asked.says(Outcome::Answered(Answer::TimedOut));
    assert_eq!((world.failure(), world.asks.len()), ((FailureClass::Client, None, false), 1));
}

#[test]
fn an_operation_that_goes_on_is_awaited_and_its_report_is_the_result() {
    for (report, outcome, status) in [
        ("<ResultCode>1200</ResultCode>", Done, Some(1200)),
        ("200", Done, Some(200)),
        ("all is well", Done, None),
        ("<ResultCode>1406</ResultCode>", Failed, Some(1406)),
        ("410", Failed, Some(410)),
    ] {
        let world = World::one_by_one(vec![exec(), delete()]).start().says(Outcome::Pending);
        assert_eq!((world.awaited, world.outcomes()), (1, vec![Pending, Skipped]));
        // The session ends; the report comes in the first package of another.
        let mut world = world;
        world.feed(Input::SessionEnded);
        let world = world.told(report).start();
        assert_eq!(world.item(0).outcome, outcome, "{report}");
        assert_eq!((world.item(0).status, world.item(0).text.as_str()), (status, report));
        if outcome == Done {
            assert_eq!(world.says(Outcome::Deleted).ending, Some(SUCCESS));
        } else {
            assert_eq!((world.failure().0, world.failure().2), (FailureClass::Client, false));
            assert_eq!(world.asks.len(), 1, "the rest is not said");
        }
    }
}

#[test]
fn a_report_before_the_status_of_its_operation_counts() {
    let world = World::one_by_one(vec![exec()]).start().told("<ResultCode>1200</ResultCode>");
    assert_eq!(world.ending, None);
    let world = world.says(Outcome::Pending);
    assert_eq!((world.ending.as_ref(), world.item(0).status, world.awaited), (Some(&SUCCESS), Some(1200), 0));
}

#[test]
fn a_report_that_is_overdue_leaves_it_in_doubt() {
    let mut world = World::one_by_one(vec![exec(), delete()]).start().says(Outcome::Pending).lost();
    assert_eq!((world.awaited, world.asks.len()), (2, 1), "awaited on, not said again");
    world.late = true;
    let world = world.lost();
    assert!(matches!(world.ending, Some(Ending::InDoubt { .. })), "{:?}", world.ending);
    assert_eq!(world.outcomes(), [Pending, Skipped]);
}

#[test]
fn what_may_be_repeated_is_said_again_after_a_lost_session() {
    for command in [get(), delete(), Command::Replace { uri: uri("./A/Leaf"), leaf: Leaf::chr("x") }] {
        let world = World::one_by_one(vec![command]).start().lost();
        assert_eq!(world.said()[0], world.said()[1]);
        assert_ne!(world.asks[0].0, world.asks[1].0);
        assert_eq!(world.says(Outcome::Deleted).ending, Some(SUCCESS));
    }
    let group = World::new(vec![get(), delete()], Some(Grouping::Sequence)).start().lost();
    assert_eq!((group.asks.len(), group.ending), (2, None));
}

#[test]
fn a_lost_addition_is_looked_for() {
    let lost = || World::one_by_one(vec![add(), delete()]).start().says(Outcome::Unknown).lost();
    let world = lost();
    assert_eq!(world.outcomes(), [Unknown, Skipped]);
    assert!(matches!(world.said()[1], Intent::ReadSubtree { at } if at.to_string() == "./A/New"), "{:?}", world.asks);
    let there = world.says(Outcome::Read(Branch::chr("x"))).says(Outcome::Deleted);
    assert_eq!((there.ending.as_ref(), there.outcomes()), (Some(&SUCCESS), vec![Done, Done]));
    let gone = lost().says(Outcome::Missing);
    assert!(matches!(gone.said()[2], Intent::PutLeaf { how: PutHow::Add, .. }), "it was not done: once more");
    let other = lost().says(Outcome::Read(Branch::chr("y")));
    assert!(matches!(other.ending, Some(Ending::InDoubt { .. })));
    let again = lost().lost();
    assert_eq!(again.said()[1], again.said()[2], "looked for again, not added again");
}

#[test]
fn a_lost_copy_is_compared() {
    let lost = || World::one_by_one(vec![copy()]).start().lost().says(Outcome::Read(Branch::chr("v")));
    assert!(matches!(lost().said()[2], Intent::ReadSubtree { at } if at.to_string() == "./A/2"));
    assert_eq!(lost().says(Outcome::Read(Branch::chr("v"))).ending, Some(SUCCESS));
    let other = lost().says(Outcome::Missing);
    assert!(matches!(other.ending, Some(Ending::InDoubt { .. })));
    assert_eq!(other.outcomes(), [Unknown]);
}

#[test]
fn a_lost_operation_or_question_is_never_repeated() {
    let world = World::one_by_one(vec![exec()]).start().lost();
    assert_eq!((world.asks.len(), world.awaited, world.outcomes()), (1, 1, vec![Unknown]));
    assert_eq!(world.told("<ResultCode>1200</ResultCode>").ending, Some(SUCCESS), "its report may still come");
    let world = World::one_by_one(vec![prompt(PromptKind::Confirm), exec()]).start().lost();
    assert!(matches!(world.ending, Some(Ending::InDoubt { .. })));
    assert_eq!((world.asks.len(), world.outcomes()), (1, vec![Unknown, Skipped]));
    let world = World::new(vec![delete(), add()], Some(Grouping::Atomic)).start().lost();
    assert!(matches!(world.ending, Some(Ending::InDoubt { .. })));
    assert_eq!((world.asks.len(), world.outcomes()), (1, vec![Unknown, Unknown]));
}

#[test]
fn a_sequence_is_said_as_one_and_its_first_failure_counts() {
    let list = vec![get(), add(), exec(), delete()];
    let world = World::new(list, Some(Grouping::Sequence)).start();
    assert!(matches!(world.said()[0], Intent::Group { atomic: false, members } if members.len() == 4));
    let refused = Outcome::Refused { code: 418 };
    let outcomes = vec![Outcome::Read(Branch::chr("v")), refused, Outcome::Pending, Outcome::Deleted];
    let world = world.says(Outcome::Grouped(outcomes));
    assert_eq!((world.ending.as_ref(), world.outcomes()), (None, vec![Done, Failed, Pending, Done]));
    let world = world.told("200");
    assert_eq!(world.failure(), (FailureClass::Refused, Some(418), false));
    assert_eq!(world.outcomes(), [Done, Failed, Done, Done]);
}

#[test]
fn a_no_in_a_sequence_declines_the_rest() {
    let world = World::new(vec![prompt(PromptKind::Confirm), delete()], Some(Grouping::Sequence)).start();
    let skipped = Outcome::Skipped { code: 215 };
    let world = world.says(Outcome::Grouped(vec![Outcome::Answered(Answer::No), skipped]));
    assert_eq!(world.ending, Some(Ending::Declined { code: None }));
    assert_eq!((world.outcomes(), world.item(1).status), (vec![Answered, Skipped], Some(215)));
}

#[test]
fn an_atomic_that_failed_names_the_cause_and_may_be_tried_again() {
    let atomic = || World::new(vec![add(), delete()], Some(Grouping::Atomic)).start();
    let undone = |code| Outcome::Grouped(vec![Outcome::Skipped { code }, Outcome::Refused { code: 500 }]);
    let world = atomic().says(undone(216));
    assert_eq!((world.failure(), world.outcomes()), ((FailureClass::Refused, Some(500), true), vec![Skipped, Failed]));
    let world = atomic().says(undone(516));
    assert_eq!((world.failure().2, world.outcomes()), (false, vec![Unknown, Failed]), "it could not be undone");
    let world = atomic().says(Outcome::Grouped(vec![written(), Outcome::Deleted]));
    assert_eq!(world.ending, Some(SUCCESS));
    let world = atomic().says(Outcome::Unsupported { code: Some(406) });
    assert_eq!(world.failure(), (FailureClass::Incapable, Some(406), false));
    assert_eq!(world.outcomes(), [Skipped, Skipped]);
}

#[test]
fn what_is_read_is_bounded_and_that_is_told() {
    let large = Branch::chr("x".repeat(20_000));
    let world = World::one_by_one(vec![get(), get(), get()]).start();
    let world = world.says(Outcome::Read(large.clone())).says(Outcome::Read(large.clone())).says(Outcome::Read(large));
    let items = world.run.items();
    assert_eq!(items.iter().map(|item| item.cut).collect::<Vec<_>>(), [false, true, true]);
    assert!(serde_json::to_string(&items).unwrap().len() < 32 * 1024);
    let wide = Branch::interior((0..5000).map(|n| (format!("n{n}"), Branch::chr("\u{1}\"".repeat(9)))));
    let world = World::one_by_one(vec![get()]).start().says(Outcome::Read(wide));
    let text = serde_json::to_string(&world.run.items()).unwrap();
    assert!(world.item(0).cut && text.len() < 32 * 1024, "{}", text.len());
}

#[test]
fn a_tree_is_told_by_the_names_of_its_nodes() {
    let tree = Branch::interior([("FwV", Branch::chr("1")), ("Ext", Branch::Interior(vec![]))]);
    let world = World::one_by_one(vec![get()]).start().says(Outcome::Read(tree));
    let children = serde_json::json!({ "FwV": { "format": "chr", "value": "1" }, "Ext": { "children": {} } });
    assert_eq!(serde_json::to_value(world.item(0).value).unwrap(), serde_json::json!({ "children": children }));
}

#[test]
fn another_attempt_begins_anew_and_knows_the_operations_of_the_first() {
    let world = World::one_by_one(vec![exec()]).start();
    let correlator = world.run.awaited().next().unwrap().clone();
    let again = world.run.again();
    assert!(again.knows(&correlator) && again.awaited().next().is_none());
    assert_eq!(again.items(), [Item::plain(0, Skipped)]);
}

#[test]
fn what_belongs_to_nothing_that_is_out_changes_nothing() {
    let mut world = World::one_by_one(vec![exec()]).start();
    let before = world.run.clone();
    world.feed(Input::Outcome { ask: AskId(7), outcome: Outcome::Pending });
    world.feed(Input::Told { correlator: Correlator::parse("other").unwrap(), texts: vec![] });
    world.feed(Input::Started);
    assert_eq!(world.run, before);
    let mut over = world.says(Outcome::Done { code: 200 });
    let before = over.run.clone();
    over.feed(Input::SessionEnded);
    over.feed(Input::Started);
    assert_eq!((over.run, over.asks.len()), (before, 1));
}

#[test]
fn a_list_that_is_held_goes_on_where_it_was_and_says_nothing_twice() {
    let list = || vec![add(), prompt(PromptKind::Confirm), exec()];
    let mut world = World::one_by_one(list()).start();
    world.held = true;
    assert!(world.run.is_under_way(), "an Add must not be said twice: its answer is waited for");
    let mut world = world.says(Outcome::Written { skipped: vec![] });
    assert_eq!((world.said().len(), world.holds, world.run.is_under_way()), (1, 1, false));
    world.held = false;
    let mut world = world.lost();
    assert!(matches!(world.said()[1..], [Intent::Prompt(_)]));
    world.held = true;
    let mut world = world.says(Outcome::Answered(Answer::Yes));
    assert_eq!((world.said().len(), world.holds), (2, 2));
    world.held = false;
    let mut world = world.lost();
    assert!(matches!(world.said()[2..], [Intent::Exec { .. }]));
    world.held = true;
    let world = world.says(Outcome::Pending);
    assert!(world.run.is_under_way() && world.awaited == 1, "what runs is followed to its end");
    let done = world.told("1200");
    assert_eq!(done.outcomes(), [Done, Answered, Done]);
    assert_eq!(done.holds, 2);
}

#[test]
fn a_lost_command_is_not_looked_for_while_its_job_is_held() {
    let mut world = World::one_by_one(vec![add()]).start();
    world.held = true;
    let mut world = world.lost();
    assert_eq!((world.said().len(), world.holds, world.run.is_under_way()), (1, 1, false));
    world.held = false;
    let world = world.lost().says(Outcome::Missing);
    assert!(matches!(world.said()[1..], [Intent::ReadSubtree { .. }, Intent::PutLeaf { .. }]));
}
