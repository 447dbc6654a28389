//! What a device says of its own accord, told on.

use serde::{Deserialize, Serialize};

use crate::model::id::DeviceId;

/// Data of `scomo.device.alert`: one item of a generic alert or client event (DM 1.x sheet 2.6), as the device wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceAlert {
    /// The device.
    pub device: DeviceId,
    /// 1226, or 1224 for a client event.
    pub alert: u16,
    /// `Meta/Type`, without `Reversed-Domain-Name:`.
    pub r#type: String,
    /// `Source/LocURI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `Target/LocURI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `Meta/Format`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `Meta/Mark`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// Of the Exec that it reports on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlator: Option<String>,
    /// `Data`; base64 where it was bytes.
    pub data: String,
    /// Something was longer than is told on, and was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Whether this service understands the type.
    pub known: bool,
    /// The `SessionID` of the session that it came in.
    pub session: String,
}

impl DeviceAlert {
    /// The longest `data` in bytes.
    pub const MOST_DATA: usize = 4096;
    /// The longest other text in bytes.
    pub const MOST_TEXT: usize = 512;

    /// The same within bounds.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let optional = [&mut self.source, &mut self.target, &mut self.format, &mut self.mark, &mut self.correlator];
        let texts = optional.into_iter().flatten().chain([&mut self.r#type, &mut self.session]);
        let cut = texts.fold(false, |cut, text| shorten(text, Self::MOST_TEXT) | cut);
        self.truncated = shorten(&mut self.data, Self::MOST_DATA) | cut;
        self
    }
}

/// Cuts a text at the last character that fits; says whether it had to.
fn shorten(text: &mut String, most: usize) -> bool {
    let long = text.len() > most;
    text.truncate(text.floor_char_boundary(most));
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_told_on_within_bounds_and_says_what_was_cut() {
        let alert = |data: &str, source: &str| DeviceAlert {
            device: DeviceId::parse("d").unwrap(),
            alert: 1226,
            r#type: "urn:example".to_owned(),
            source: Some(source.to_owned()),
            target: None,
            format: None,
            mark: None,
            correlator: None,
            data: data.to_owned(),
            truncated: false,
            known: false,
            session: "1".to_owned(),
        };
        let whole = alert(&"x".repeat(DeviceAlert::MOST_DATA), "./A");
        assert_eq!(whole.clone().bounded(), whole);
        let cut = alert(&"ä".repeat(DeviceAlert::MOST_DATA), "./A").bounded();
        assert_eq!((cut.data.len(), cut.truncated), (DeviceAlert::MOST_DATA, true));
        let long = alert("", &format!("a{}", "ä".repeat(400))).bounded();
        assert_eq!((long.source.map(|s| s.len()), long.truncated), (Some(DeviceAlert::MOST_TEXT - 1), true));
    }
}
