//! `manifest.toml`, its tables as objects.

use serde_json::{Value, json};

use super::{
    document,
    part::{SHOWN, closed, or, told},
};
use crate::model::{
    catalog::Manifest,
    id::{ComponentId, PackageId},
    rule::Rule,
    schema::{NAME, NARROW, VERSION, name},
    version::Version,
};

/// A name of a file beside the manifest.
const FILE: &str = r"^(?!manifest\.toml$)[A-Za-z0-9_~+-][A-Za-z0-9._~+-]*$";
/// A version that names a folder.
const FOLDER: &str = "^[A-Za-z0-9_~+-][A-Za-z0-9._~+-]*$";

/// The schema of a manifest.
#[must_use]
pub fn manifest() -> Value {
    document("manifest", "Manifest of a delivery package", body())
}

fn text(most: usize, description: &str) -> Value {
    json!({ "type": "string", "maxLength": most, "pattern": SHOWN, "description": description })
}

fn body() -> Value {
    let component = closed(
        [("id", name(NAME, ComponentId::MOST_BYTES)), ("version", name(VERSION, Version::MOST_BYTES))],
        &["id", "version"],
    );
    closed(
        [
            ("format", json!({ "const": 1, "description": "The version of this format." })),
            ("id", told(name(NARROW, PackageId::MOST_BYTES), "The delivery package.")),
            ("version", told(name(FOLDER, Version::MOST_BYTES), "Its version, which names a folder too.")),
            ("name", text(128, "For people.")),
            ("description", text(512, "For people.")),
            ("vendor", text(128, "Who made it.")),
            ("env_type", text(128, "Target environment, the leaf EnvType.")),
            ("pkg_type", text(100, "MIME type of the payload, the leaf PkgType.")),
            ("install_params", text(2048, "Handed to the device's installer.")),
            ("reboot", text(64, "The leaf Reboot, byte for byte.")),
            (
                "not_before",
                json!({ "type": "string", "format": "date-time", "description": "Not selected before; a TOML date-time with an offset, or its text." }),
            ),
            (
                "payload",
                json!({ "type": "string", "maxLength": 128, "pattern": FILE, "description": "A file beside the manifest." }),
            ),
            ("size", json!({ "type": "integer", "minimum": 1, "description": "Bytes of the payload." })),
            (
                "sha256",
                json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$", "description": "SHA-256 of the payload." }),
            ),
            (
                "when",
                json!({ "type": "string", "minLength": 1, "maxLength": Rule::MOST_BYTES, "description": "CEL over the facts of a device; absent: every device." }),
            ),
            (
                "on_request",
                or(
                    json!({ "type": "boolean", "description": "Offered when a device asks without naming a package." }),
                    false,
                ),
            ),
            ("delivery", or(json!({ "enum": ["auto", "direct", "alternate"] }), "auto")),
            (
                "components",
                json!({ "type": "array", "minItems": 1, "maxItems": Manifest::MOST_COMPONENTS, "items": component, "description": "What the payload installs, each id once." }),
            ),
            (
                "user_text",
                json!({
                    "type": "object", "propertyNames": { "pattern": "^[A-Za-z0-9-]{1,35}$" },
                    "additionalProperties": text(512, "What the user is asked or told."),
                }),
            ),
        ],
        &["format", "id", "version", "name", "payload", "size", "sha256", "components"],
    )
}
