//! The alerts of a device's own: reports of operations (SCOMO sheet 4.3), requests (4.4), and how odd devices write them.

use super::{
    profile::{Ask, Echo, Grouping, Naming, Origin, Reporting, Shape},
    scomo::{Report, ReportItem},
};
use crate::wire::syncml::{Alert, Command, Data, Item, Location, Message, Meta, xml};

/// What marks a payload that is not to be written as escaped text; the characters are for private use, no payload holds them.
const CDATA: char = '\u{F8F0}';
const ELEMENTS: char = '\u{F8F1}';

/// The alerts that report an operation: one, or one for each component.
pub(super) fn alerts(report: &Report, how: &Reporting) -> Vec<Alert> {
    let groups: Vec<&[ReportItem]> = match how.items {
        Grouping::Together => vec![report.items.as_slice()],
        Grouping::Apart => report.items.chunks(1).collect(),
    };
    let correlator = match how.correlator {
        Echo::Echo => report.correlator.clone(),
        Echo::Omit => None,
        Echo::Wrong => Some(wrong(report.correlator.as_deref())),
    };
    let alert = |items: &[ReportItem]| Alert {
        data: "1226".to_owned(),
        correlator: correlator.clone(),
        items: items.iter().map(|one| item(report, how, one)).collect(),
        ..Alert::default()
    };
    groups.into_iter().map(alert).collect()
}

/// The alert of something that the device asks for; `root` is where its SCOMO object is.
pub(super) fn request(ask: &Ask, root: Option<&str>) -> Alert {
    let source = match ask.source.as_str() {
        "root" => root.map(super::tree::uri),
        "none" => None,
        uri => Some(uri.to_owned()),
    };
    let item = Item {
        source: source.map(Location::new),
        meta: Meta::typed("chr", &ask.full_type()),
        data: Some(Data::Text(ask.data.clone())),
        ..Item::default()
    };
    Alert { data: ask.code.to_string(), items: vec![item], ..Alert::default() }
}

/// An alert that means nothing to a SCOMO server.
pub(super) fn foreign(r#type: &str) -> Ask {
    Ask { r#type: r#type.to_owned(), source: "none".to_owned(), data: "1".to_owned(), code: 1226 }
}

/// Writes a message; payloads of reports get the shape that they are marked with.
pub(super) fn write(message: &Message) -> Vec<u8> {
    let written = xml::write(message);
    let alerts = message.body.commands.iter().filter_map(|c| if let Command::Alert(a) = c { Some(a) } else { None });
    let texts = alerts.flat_map(|alert| &alert.items).filter_map(|item| item.data.as_ref()?.text());
    let marked: Vec<(&str, bool)> = texts.filter_map(mark).collect();
    if marked.is_empty() {
        return written;
    }
    let mut text = String::from_utf8_lossy(&written).into_owned();
    for (payload, as_cdata) in marked {
        let sign = if as_cdata { CDATA } else { ELEMENTS };
        let shaped = if as_cdata { format!("<![CDATA[{payload}]]>") } else { payload.to_owned() };
        text = text.replacen(&format!("{sign}{}", escaped(payload)), &shaped, 1);
    }
    text.into_bytes()
}

/// The payload behind a mark, and whether it becomes a CDATA section.
fn mark(text: &str) -> Option<(&str, bool)> {
    let cdata = text.strip_prefix(CDATA).map(|payload| (payload, true));
    cdata.or_else(|| text.strip_prefix(ELEMENTS).map(|payload| (payload, false)))
}

fn item(report: &Report, how: &Reporting, item: &ReportItem) -> Item {
    let code = item.code.unwrap_or(report.code);
    let source = match how.source {
        Origin::Operation => Some(&report.source),
        Origin::Entry => Some(&report.entry),
        Origin::Root => Some(&report.root),
        Origin::None => None,
    };
    let spelled = |uri: &String| if how.lower_case { uri.to_lowercase() } else { uri.clone() };
    Item {
        target: item.target.as_deref().filter(|_| how.target).map(Location::new),
        source: source.map(spelled).map(Location::new),
        meta: meta(report, how, code),
        data: Some(Data::Text(payload(how, item, code))),
        more_data: false,
    }
}

fn meta(report: &Report, how: &Reporting, code: u16) -> Meta {
    let usual = if how.shape == Shape::IntegerFumo { "int" } else { "chr" };
    let mark = if (1200..1300).contains(&code) { "informational" } else { "warning" };
    let set = |own: &Option<String>, usual: &str| {
        let text = own.as_deref().unwrap_or(usual);
        (!text.is_empty()).then(|| text.to_owned())
    };
    Meta {
        format: set(&how.format, usual),
        r#type: Some(report.alert_type.clone()),
        mark: set(&how.mark, mark),
        ..Meta::default()
    }
}

fn payload(how: &Reporting, item: &ReportItem, code: u16) -> String {
    let identifier = match how.identifier {
        Naming::Id => Some(&item.identifier),
        Naming::Node => Some(&item.node),
        Naming::None => None,
    };
    let identifier = identifier.map(|text| format!("<Identifier>{}</Identifier>", escaped(text)));
    let elements = format!("<ResultCode>{code}</ResultCode>{}", identifier.unwrap_or_default());
    match how.shape {
        Shape::Escaped => elements,
        Shape::Cdata => format!("{CDATA}{elements}"),
        Shape::Elements => format!("{ELEMENTS}{elements}"),
        Shape::Integer | Shape::IntegerFumo => code.to_string(),
    }
}

/// Another correlator than that of the Exec.
fn wrong(correlator: Option<&str>) -> String {
    format!("{}x", correlator.unwrap_or_default())
}

/// A text as it stands in markup; the same that the writer of messages makes of it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}
