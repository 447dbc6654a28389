//! How a device writes its messages where others write them differently (DM 1.x sheets 1.5, 12 and 16).

use std::collections::BTreeMap;

use serde::Deserialize;

/// A device's own way of writing; the defaults are what the standard shows.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own, and none depends on another")]
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// `VerDTD`
    pub ver_dtd: String,
    /// `VerProto`
    pub ver_proto: String,
    /// How a SessionID is written.
    pub session_ids: SessionIds,
    /// Whether a session opens with alert 1200 or 1201.
    pub opening_alert: bool,
    /// Whether reports and requests stand before everything else in a first message.
    pub alerts_first: bool,
    /// Whether `Source` has a `LocName`: the user name.
    pub loc_name: bool,
    /// Whether `Source/LocURI` is written in lower case, unlike DevId.
    pub lower_case_source: bool,
    /// Whether `MaxMsgSize` and `MaxObjSize` are announced.
    pub sizes: bool,
    /// Whether every message carries credentials, accepted or not.
    pub always_cred: bool,
    /// Whether a Status of one item names it.
    pub target_refs: bool,
    /// Whether the Status of the `SyncHdr` has a CmdRef.
    pub header_ref: bool,
    /// Whether Results say which command they answer.
    pub results_refs: bool,
    /// Whether Results have their Meta on the command and not on each item, where all items have the same.
    pub results_meta_on_command: bool,
    /// Whether DevInfo brings `Ext` itself, with its children's names.
    pub devinfo_ext_node: bool,
    /// Whether elements have namespaces.
    pub namespaces: bool,
    /// Whether there is white space between elements and around URIs.
    pub white_space: bool,
    /// Whether formats begin with a capital.
    pub capital_formats: bool,
    /// Whether names in lists are percent-encoded.
    pub percent_names: bool,
    /// Whether Atomic is understood; else 406.
    pub atomic: bool,
    /// Whether an Add makes the missing parents of its node.
    pub implicit_parents: bool,
    /// `Content-Type` of the requests; empty: none. Absent: that of the standard.
    pub content_type: Option<String>,
    /// Further headers of the requests.
    pub headers: BTreeMap<String, String>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            ver_dtd: "1.2".to_owned(),
            ver_proto: "DM/1.2".to_owned(),
            session_ids: SessionIds::Upper,
            opening_alert: true,
            alerts_first: false,
            loc_name: true,
            lower_case_source: false,
            sizes: true,
            always_cred: false,
            target_refs: true,
            header_ref: true,
            results_refs: true,
            results_meta_on_command: false,
            devinfo_ext_node: false,
            namespaces: true,
            white_space: false,
            capital_formats: false,
            percent_names: false,
            atomic: true,
            implicit_parents: false,
            content_type: None,
            headers: BTreeMap::new(),
        }
    }
}

impl Dialect {
    pub(super) fn check(&self) -> Result<(), String> {
        let name = |name: &str| reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err();
        let value = |value: &str| reqwest::header::HeaderValue::from_str(value).is_err();
        if self.headers.iter().any(|(key, text)| name(key) || value(text)) {
            return Err("`headers` are names and values of HTTP headers".to_owned());
        }
        if self.content_type.as_deref().is_some_and(value) {
            return Err("`content_type` is the value of an HTTP header".to_owned());
        }
        Ok(())
    }
}

/// How a SessionID is written (DM 1.x sheet 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionIds {
    /// Hexadecimal, upper case.
    Upper,
    /// Hexadecimal, lower case.
    Lower,
    /// Decimal.
    Decimal,
    /// Sessions of the device's own all have the id 1.
    Same,
}
