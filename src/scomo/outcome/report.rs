//! The generic alert that reports the end of an operation (SCOMO sheet 4.3).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Class, ResultCode};

/// What one item of a report says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportItem {
    /// The result.
    pub code: ResultCode,
    /// `Identifier`: a PkgID or a component's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// `Item/Target/LocURI`: the object that resulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// No payload of a report is longer; the rest is not looked at.
const MOST_BYTES: usize = 4096;
/// No identifier is longer; the rest is cut off.
const MOST_IDENTIFIER: usize = 255;

impl ReportItem {
    /// Reads an item's Data, as text after the wire's own decoding: elements as markup, or still escaped, or in CDATA, or a bare
    /// number. `None` if there is no result in it.
    #[must_use]
    pub fn parse(data: &str, target: Option<&str>) -> Option<Self> {
        let text = plain(cut(data, MOST_BYTES));
        let target = target.map(str::trim).filter(|t| !t.is_empty()).map(|t| cut(t, MOST_IDENTIFIER).to_owned());
        if let Some(code) = number(&text) {
            return Some(Self { code, identifier: None, target });
        }
        let code = number(element(&text, "ResultCode")?)?;
        let identifier = element(&text, "Identifier").map(|i| unescape(i.trim())).filter(|i| !i.is_empty());
        Some(Self { code, identifier: identifier.map(|i| cut(&i, MOST_IDENTIFIER).to_owned()), target })
    }
}

impl fmt::Display for ReportItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.number())?;
        match &self.identifier {
            Some(identifier) => write!(f, " of {identifier}"),
            None => Ok(()),
        }
    }
}

/// The worst result of a report: any failure outweighs any success, the device's own failure that of the download server, and
/// among equals the first counts.
#[must_use]
pub fn worst(items: &[ReportItem]) -> Option<ResultCode> {
    let weight = |code: ResultCode| match code.class() {
        Class::Client => 0,
        Class::Server => 1,
        Class::Ok => 2,
    };
    items.iter().map(|item| item.code).min_by_key(|code| weight(*code))
}

/// Whether a generic alert of this Type reports the end of a SCOMO operation (SCOMO sheet 4.3 rule 3).
#[must_use]
pub fn is_operation_complete(alert_type: &str) -> bool {
    below_root(alert_type).is_some_and(|kind| kind == "operationcomplete")
}

/// What of an alert's Type stands below a root of SCOMO's, lower case; nothing for a foreign Type. Of the urn every 1.x counts, for
/// later versions are to be compatible.
pub(in crate::scomo) fn below_root(alert_type: &str) -> Option<String> {
    let lower = alert_type.trim().to_ascii_lowercase();
    let bare = lower.strip_prefix("reversed-domain-name:").unwrap_or(&lower).trim();
    let rest = match bare.strip_prefix("urn:oma:at:scomo:1.") {
        Some(minor) => {
            minor.strip_prefix(|c: char| c.is_ascii_digit())?.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        None => bare.strip_prefix("org.openmobilealliance.dm.softwarecomponent")?,
    };
    rest.strip_prefix([':', '/', '.']).map(str::to_owned)
}

/// The data with CDATA marks, comments and up to two layers of escaping taken off.
fn plain(data: &str) -> String {
    let mut text = data.trim().to_owned();
    for _ in 0..2 {
        if text.contains('<') || !text.contains('&') {
            break;
        }
        text = unescape(&text);
    }
    strip_comments(&text.replace("<![CDATA[", "").replace("]]>", "")).trim().to_owned()
}

fn strip_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, behind)| behind);
    }
    kept + rest
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

/// The text of the first element of that local name, whatever its letter case, prefix and attributes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, content) = after.split_once('>')?;
        let tag_name = tag.split(|c: char| c.is_whitespace()).next().unwrap_or(tag);
        let local = tag_name.rsplit(':').next().unwrap_or(tag_name);
        if local.eq_ignore_ascii_case(name) {
            return content.split('<').next();
        }
        rest = content;
    }
    None
}

fn number(text: &str) -> Option<ResultCode> {
    text.trim().parse().ok().map(ResultCode::new)
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(data: &str) -> Option<(u16, Option<String>)> {
        ReportItem::parse(data, None).map(|item| (item.code.number(), item.identifier))
    }

    #[test]
    fn a_result_is_read_in_whatever_shape_it_comes() {
        let expected = Some((1200, Some("net.example.player".to_owned())));
        for data in [
            "<ResultCode>1200</ResultCode><Identifier>net.example.player</Identifier>",
            "&lt;ResultCode&gt;1200&lt;/ResultCode&gt;&lt;Identifier&gt;net.example.player&lt;/Identifier&gt;",
            "&amp;lt;ResultCode&amp;gt;1200&amp;lt;/ResultCode&amp;gt;&amp;lt;Identifier&amp;gt;net.example.player&amp;lt;/Identifier&amp;gt;",
            "<![CDATA[<ResultCode>1200</ResultCode><Identifier>net.example.player</Identifier>]]>",
            "\n <!-- done --> <s:Identifier>net.example.player</s:Identifier>\n <s:resultcode x='1'> 1200 </s:resultcode>",
            "<Result><Other/><ResultCode>1200</ResultCode><Identifier>net.example.player</Identifier></Result>",
        ] {
            assert_eq!(item(data), expected, "{data}");
        }
        assert_eq!(item(" 1404\r\n"), Some((1404, None)));
        assert_eq!(
            item("<ResultCode>1404</ResultCode><Identifier>a&amp;b</Identifier>"),
            Some((1404, Some("a&b".into())))
        );
    }

    #[test]
    fn what_is_no_result_is_none() {
        for data in [
            "",
            "   ",
            "done",
            "<ResultCode/>",
            "<ResultCode>x</ResultCode>",
            "<ResultCode>70000</ResultCode>",
            "<ResultCode",
            "<!-- <ResultCode>1200",
        ] {
            assert_eq!(item(data), None, "{data}");
        }
        assert_eq!(item(&format!("{}<ResultCode>1200</ResultCode>", " x".repeat(MOST_BYTES))), None);
        let long = format!("<ResultCode>1200</ResultCode><Identifier>{}</Identifier>", "ä".repeat(300));
        assert_eq!(item(&long).and_then(|(_, id)| id).map(|id| id.len()), Some(254));
    }

    #[test]
    fn the_worst_of_several_results_counts() {
        let items: Vec<_> = [1200, 1501, 1405, 1250].map(|n| ReportItem::parse(&n.to_string(), None).unwrap()).into();
        assert_eq!(worst(&items), Some(ResultCode::new(1405)));
        assert_eq!(worst(&items[..2]), Some(ResultCode::new(1501)));
        assert_eq!(worst(&items[..1]), Some(ResultCode::SUCCESS));
        assert_eq!(worst(&[]), None);
    }

    #[test]
    fn the_alert_type_is_known_in_all_its_spellings() {
        for good in [
            "urn:oma:at:scomo:1.0:OperationComplete",
            " URN:OMA:AT:SCOMO:1.1:operationcomplete\n",
            "urn:oma:at:scomo:1.0.OperationComplete",
            "urn:oma:at:scomo:1.0/OperationComplete",
            "org.openmobilealliance.dm.softwarecomponent.OperationComplete",
            "Reversed-Domain-Name: org.openmobilealliance.dm.softwarecomponent.OperationComplete",
        ] {
            assert!(is_operation_complete(good), "{good}");
        }
        for bad in [
            "",
            "OperationComplete",
            "urn:oma:at:scomo:1.0:UserRequest",
            "urn:oma:at:fumo:1.0:OperationComplete",
            "urn:oma:at:scomo:1.0OperationComplete",
        ] {
            assert!(!is_operation_complete(bad), "{bad}");
        }
    }
}
