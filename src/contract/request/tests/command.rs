//! `kind: "command"`.

use super::*;
use crate::{
    job::command::{Command, Commands, Grouping},
    model::tree::{Format, Leaf, PromptInput, PromptKind, PromptOptions},
};

fn ask(commands: Value, more: &Value) -> Value {
    let mut base = json!({ "request_id": "r", "kind": "command", "targets": { "devices": ["d"] } });
    base["commands"] = commands;
    with(&base, more)
}

fn list(commands: Value) -> Vec<Command> {
    let request = read(&ask(commands, &json!({}))).unwrap_or_else(|problem| panic!("{:#?}", problem.errors));
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&stored).unwrap(), request);
    let Work::Command(Commands { list, group: None }) = request.work else { panic!("{request:?}") };
    list
}

fn wrong(command: Value) -> Vec<String> {
    faults(&ask(Value::Array(vec![command]), &json!({})))
}

#[test]
fn every_command_is_taken_as_it_is_meant() {
    let uri = |text: &str| text.parse().unwrap();
    let leaf =
        |format, mime: Option<&str>, text: &str| Leaf { format, mime: mime.map(str::to_owned), text: text.to_owned() };
    let taken = list(json!([
        { "do": "get", "uri": "./DevDetail/FwV" },
        { "do": "add", "uri": "./Vendor/Note", "format": "chr", "type": "text/plain", "value": "x" },
        { "do": "add", "uri": "./Vendor/Box" },
        { "do": "add", "uri": "./Vendor/Box2", "format": "node" },
        { "do": "add", "uri": "./Vendor/Op", "format": "null" },
        { "do": "replace", "uri": "./Vendor/Blob", "format": "bin", "type": "image/png", "value": "AAEC" },
        { "do": "delete", "uri": "./Vendor/Old" },
        { "do": "copy", "from": "./Vendor/A", "to": "./Vendor/B" },
        { "do": "exec", "uri": "./Vendor/Op" },
    ]));
    assert_eq!(
        taken,
        [
            Command::Get { uri: uri("./DevDetail/FwV") },
            Command::Add { uri: uri("./Vendor/Note"), leaf: Some(Leaf::chr("x")) },
            Command::Add { uri: uri("./Vendor/Box"), leaf: None },
            Command::Add { uri: uri("./Vendor/Box2"), leaf: None },
            Command::Add { uri: uri("./Vendor/Op"), leaf: Some(Leaf::null()) },
            Command::Replace { uri: uri("./Vendor/Blob"), leaf: leaf(Format::Bin, Some("image/png"), "AAEC") },
            Command::Delete { uri: uri("./Vendor/Old") },
            Command::Copy { from: uri("./Vendor/A"), to: uri("./Vendor/B") },
            Command::Exec { uri: uri("./Vendor/Op") },
        ]
    );
}

#[test]
fn a_question_is_taken_with_all_that_belongs_to_it() {
    let taken = list(json!([{
        "do": "prompt", "prompt": "input", "text": { "en": "Name?", "de": "Wie?" }, "min_seconds": 5, "max_seconds": 60,
        "preset": "Ada", "max_length": 20, "input": "number", "hidden": true,
    }, {
        "do": "prompt", "prompt": "choices", "text": { "en": "Which?" }, "choices": ["a", "b", "c"], "preset": "1-3",
    }]));
    let [Command::Prompt(input), Command::Prompt(choices)] = taken.as_slice() else { panic!("{taken:?}") };
    let options = PromptOptions {
        min_seconds: Some(5),
        max_seconds: Some(60),
        preset: Some("Ada".to_owned()),
        max_length: Some(20),
        input: Some(PromptInput::Number),
        hidden: true,
    };
    assert_eq!((input.kind, &input.options, input.text.pick(Some("de"))), (PromptKind::Input, &options, "Wie?"));
    assert_eq!((choices.kind, choices.choices.len()), (PromptKind::Choices, 3));
}

#[test]
fn a_list_may_be_one_group() {
    let commands = json!([{ "do": "delete", "uri": "./A/B" }]);
    for (word, group) in [("atomic", Grouping::Atomic), ("sequence", Grouping::Sequence)] {
        let request = read(&ask(commands.clone(), &json!({ "group": word }))).unwrap();
        let Work::Command(taken) = request.work else { panic!() };
        assert_eq!(taken.group, Some(group));
    }
    assert_eq!(faults(&ask(commands, &json!({ "group": "both" }))), ["/group unknown_value"]);
    let unfit = json!([
        { "do": "delete", "uri": "./A" }, { "do": "get", "uri": "./A" }, { "do": "exec", "uri": "./A" },
    ]);
    assert_eq!(
        faults(&ask(unfit.clone(), &json!({ "group": "atomic" }))),
        ["/commands/1/do misplaced_field", "/commands/2/do misplaced_field"]
    );
    assert!(read(&ask(unfit, &json!({ "group": "sequence" }))).is_ok());
}

#[test]
fn every_fault_of_a_command_has_its_place() {
    for (command, told) in [
        (json!({ "uri": "./A" }), "/commands/0/do missing_field"),
        (json!({ "do": "move", "uri": "./A" }), "/commands/0/do unknown_value"),
        (json!({ "do": "get" }), "/commands/0/uri missing_field"),
        (json!({ "do": "get", "uri": "./A", "value": "x" }), "/commands/0/value unknown_field"),
        (json!({ "do": "copy", "from": "./A" }), "/commands/0/to missing_field"),
        (json!({ "do": "replace", "uri": "./A" }), "/commands/0/value missing_field"),
        (json!({ "do": "replace", "uri": "./A", "format": "node" }), "/commands/0/format unknown_value"),
        (json!({ "do": "replace", "uri": "./A", "value": 7 }), "/commands/0/value wrong_type"),
        (json!({ "do": "add", "uri": "./A", "format": "node", "value": "x" }), "/commands/0/value misplaced_field"),
        (json!({ "do": "add", "uri": "./A", "format": "null", "value": "" }), "/commands/0/value misplaced_field"),
        (json!({ "do": "add", "uri": "./A", "format": "int", "value": "1.5" }), "/commands/0/value unknown_value"),
        (json!({ "do": "add", "uri": "./A", "format": "bool", "value": "yes" }), "/commands/0/value unknown_value"),
        (json!({ "do": "add", "uri": "./A", "format": "float", "value": "inf" }), "/commands/0/value unknown_value"),
        (json!({ "do": "add", "uri": "./A", "format": "bin", "value": "A" }), "/commands/0/value invalid_base64"),
        (json!({ "do": "add", "uri": "./A", "value": "a\u{0}" }), "/commands/0/value unknown_value"),
        (json!({ "do": "add", "uri": "./A", "value": "a", "type": "text" }), "/commands/0/type invalid_name"),
        (json!(7), "/commands/0 wrong_type"),
    ] {
        assert_eq!(wrong(command.clone()), [told], "{command}");
    }
}

#[test]
fn only_uris_that_name_one_node_are_taken() {
    let long = format!("./{}", "x".repeat(254));
    let deep = format!("./{}", ["x"; 17].join("/"));
    for uri in [
        "",
        ".",
        "./",
        "A/B",
        "/A",
        "./A//B",
        "./A/../B",
        "./A/./B",
        "./A/",
        "./A?prop=ACL",
        "./A\n",
        "./ A",
        &long,
        &deep,
    ] {
        assert_eq!(wrong(json!({ "do": "get", "uri": uri })), ["/commands/0/uri invalid_name"], "{uri:?}");
    }
    for uri in ["./A", "./A/%20b/C", &format!("./{}", ["x"; 16].join("/"))] {
        assert!(read(&ask(json!([{ "do": "get", "uri": uri }]), &json!({}))).is_ok(), "{uri}");
    }
}

#[test]
fn every_fault_of_a_question_has_its_place() {
    let question = |more: Value| with(&json!({ "do": "prompt", "prompt": "confirm", "text": { "en": "?" } }), &more);
    for (more, told) in [
        (json!({ "prompt": "shout" }), "/prompt unknown_value"),
        (json!({ "text": "?" }), "/text wrong_type"),
        (json!({ "text": {} }), "/text empty"),
        (json!({ "text": { "en": " " } }), "/text/en invalid_text"),
        (json!({ "text": { "e n": "?" } }), "/text/e n invalid_text"),
        (json!({ "text": { "en": "x".repeat(501) } }), "/text/en invalid_text"),
        (json!({ "choices": ["a"] }), "/choices misplaced_field"),
        (json!({ "hidden": true }), "/hidden misplaced_field"),
        (json!({ "prompt": "choice" }), "/choices missing_field"),
        (json!({ "prompt": "choice", "choices": ["a", ""] }), "/choices/1 empty"),
        (json!({ "prompt": "choice", "choices": ["a"], "preset": "2" }), "/preset unknown_value"),
        (json!({ "prompt": "display", "preset": "1" }), "/preset misplaced_field"),
        (json!({ "preset": "yes" }), "/preset unknown_value"),
        (json!({ "min_seconds": 0 }), "/min_seconds out_of_range"),
        (json!({ "min_seconds": 9, "max_seconds": 8 }), "/max_seconds out_of_range"),
        (json!({ "prompt": "input", "input": "colour" }), "/input unknown_value"),
    ] {
        assert_eq!(wrong(question(more.clone())), [format!("/commands/0{told}")], "{more}");
    }
}

#[test]
fn a_list_is_bounded_in_number_and_size() {
    let get = json!({ "do": "get", "uri": "./A" });
    assert_eq!(faults(&ask(json!([]), &json!({}))), ["/commands empty"]);
    assert_eq!(faults(&ask(json!(vec![get.clone(); 65]), &json!({}))), ["/commands too_many"]);
    assert_eq!(list(json!(vec![get; 64])).len(), 64);
    let add = |size: usize| json!({ "do": "add", "uri": "./A", "value": "x".repeat(size) });
    assert_eq!(list(json!([add(40_000), add(25_536)])).len(), 2);
    assert_eq!(faults(&ask(json!([add(40_000), add(25_537), add(9)]), &json!({}))), ["/commands/1/value out_of_range"]);
}

#[test]
fn a_list_is_a_kind_of_its_own() {
    let commands = json!([{ "do": "get", "uri": "./A" }]);
    let more = json!({ "package": { "id": "p" }, "action": "install", "delivery": "auto", "operation": "remove" });
    assert_eq!(
        faults(&ask(commands.clone(), &more)),
        [
            "/package misplaced_field",
            "/operation misplaced_field",
            "/action misplaced_field",
            "/delivery misplaced_field"
        ]
    );
    assert_eq!(faults(&ask(json!([]), &json!({ "commands": null }))), ["/commands missing_field"]);
    let more = json!({ "commands": commands, "group": "atomic" });
    assert_eq!(faults(&with(&download(), &more)), ["/commands misplaced_field", "/group misplaced_field"]);
}

#[test]
fn the_canonical_form_of_commands_does_not_drift() {
    let commands = json!([
        { "do": "replace", "uri": "./Vendor/Note", "value": "x", "type": "text/plain", "format": "chr" },
        { "do": "prompt", "prompt": "confirm", "text": { "en": "?", "de": "?" } },
    ]);
    let form = String::from_utf8(read(&ask(commands, &json!({ "group": "sequence" }))).unwrap().canonical()).unwrap();
    let work = concat!(
        r#""work":{"kind":"command","commands":[{"do":"replace","uri":"./Vendor/Note","leaf":{"format":"chr","text":"x"}},"#,
        r#"{"do":"prompt","prompt":"confirm","text":{"de":"?","en":"?"},"options":{"hidden":false}}],"group":"sequence"}"#
    );
    assert!(form.contains(work), "{form}");
    let short = ask(json!([{ "do": "replace", "uri": "./A", "value": "x" }]), &json!({}));
    let long =
        ask(json!([{ "do": "replace", "uri": "./A", "value": "x", "format": "chr" }]), &json!({ "priority": 5 }));
    assert_eq!(read(&short).unwrap().digest(), read(&long).unwrap().digest());
}
