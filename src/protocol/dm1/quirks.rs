//! How a class of devices bends the rules of the dialogue; every key has the default of a device that bends none.

use serde::{Deserialize, Serialize};

/// The dialogue's keys of a device class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// What `Size` of a large object counts (DM 1.x sheet 4 no. 4); on 424 the other one is tried once.
    pub size_unit: SizeUnit,
    /// Where `Size` stands: in the Meta of the command or of its Item.
    pub size_place: SizePlace,
    /// The nonce of a resync notification (DM 1.x sheet 3.6).
    pub resync_nonce: ResyncNonce,
    /// The `VerProto` values that are served; others get Status 513.
    pub ver_proto: Vec<String>,
    /// The message size taken for granted where the device announces no MaxMsgSize of 512 bytes or more, in bytes.
    pub default_max_msg_size: u64,
    /// Read subtrees with `?list=StructData` first; a device that refuses it is read node by node.
    pub struct_data: bool,
    /// How many refused messages end a session, a first one without credentials not counted; at least 2.
    pub auth_attempts: u8,
    /// The most commands in one message.
    pub max_commands: u16,
    /// Believe messages of an authenticated session that do not come to its RespURI: whoever knows device and SessionID can then
    /// speak in it, so only for devices that cannot do otherwise.
    pub ignores_resp_uri: bool,
}

/// See [`Quirks::size_unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizeUnit {
    /// The length of the data as it stands in the message: of the base64 text.
    #[default]
    Encoded,
    /// The number of bytes that the text stands for.
    Decoded,
}

/// See [`Quirks::size_place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizePlace {
    /// In the command's Meta.
    #[default]
    Command,
    /// In the Item's Meta, Format and Type with it.
    Item,
}

/// See [`Quirks::resync_nonce`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResyncNonce {
    /// Four bytes of zero, as Samsung's client takes it.
    #[default]
    Zero,
    /// The ten ASCII characters `0x00000000`, as Intel's libdmclient takes it.
    Literal,
}

impl ResyncNonce {
    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Zero => &[0; 4],
            Self::Literal => b"0x00000000",
        }
    }
}

impl SizeUnit {
    /// What `Size` says of an object of `bytes` bytes. MaxObjSize is held against the same number.
    #[must_use]
    pub const fn of(self, bytes: u64) -> u64 {
        match self {
            Self::Encoded => bytes.div_ceil(3).saturating_mul(4),
            Self::Decoded => bytes,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Encoded => Self::Decoded,
            Self::Decoded => Self::Encoded,
        }
    }
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            size_unit: SizeUnit::default(),
            size_place: SizePlace::default(),
            resync_nonce: ResyncNonce::default(),
            ver_proto: ["DM/1.1", "DM/1.2", "DM/1.3"].map(str::to_owned).to_vec(),
            default_max_msg_size: 10_240,
            struct_data: true,
            auth_attempts: 3,
            max_commands: 32,
            ignores_resp_uri: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_names_what_differs_and_nothing_unknown() {
        let quirks: Quirks = toml::from_str("size_unit = 'decoded'\nresync_nonce = 'literal'").unwrap();
        let expected = Quirks { size_unit: SizeUnit::Decoded, resync_nonce: ResyncNonce::Literal, ..Quirks::default() };
        assert_eq!(quirks, expected);
        assert!(toml::from_str::<Quirks>("size_units = 'decoded'").is_err());
    }

    #[test]
    fn size_counts_the_text_or_the_bytes() {
        assert_eq!([0, 1, 3, 4].map(|n| SizeUnit::Encoded.of(n)), [0, 4, 4, 8]);
        assert_eq!(SizeUnit::Encoded.other().of(4), 4);
    }
}
