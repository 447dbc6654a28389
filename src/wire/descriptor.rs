//! Download descriptors and status reports of OMA Download OTA 1 (SCOMO sheet 7).

mod notify;

pub use notify::InstallNotify;

use super::syncml::limits::Limits;
use super::syncml::xml;
use super::syncml::xml::escape;
use super::syncml::xml::scan::{Scanner, decode};

/// The content type of a descriptor (SCOMO sheet 7.1).
pub const MIME: &str = "application/vnd.oma.dd+xml";

/// The namespace of version 1.
const NAMESPACE: &str = "http://www.openmobilealliance.org/xmlns/dd";

/// What version 2 and later begin theirs with; the version follows (SCOMO sheet 7.5).
const NAMESPACE_LATER: &str = "urn:oma:xml:dl:dd:";

/// A version 1 descriptor: what a device learns of an object before it fetches it (SCOMO sheet 7.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// `name`, shown to the user; empty: left out.
    pub name: String,
    /// `vendor`; empty: left out.
    pub vendor: String,
    /// `description`; empty: left out.
    pub description: String,
    /// `type`, one or more: the object's content type first.
    pub types: Vec<String>,
    /// `size`: bytes to fetch.
    pub size: u64,
    /// `objectURI`: where the object is.
    pub object_uri: String,
    /// `installNotifyURI`: where the status report is posted.
    pub install_notify_uri: Option<String>,
    /// `nextURL`: where the user goes afterwards.
    pub next_url: Option<String>,
    /// `infoURL`.
    pub info_url: Option<String>,
    /// `iconURI`.
    pub icon_uri: Option<String>,
    /// `installParam`: a text for the installer.
    pub install_param: Option<String>,
}

/// Why bytes are not a descriptor. [`Error::report`] is what a client answers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another major version than 1.
    #[error("descriptor is of version `{found}`, expected 1")]
    Version {
        /// The version found.
        found: String,
    },
    /// A mandatory element is missing or empty.
    #[error("descriptor has no `{element}`")]
    Missing {
        /// The element.
        element: &'static str,
    },
    /// `size` is no number of bytes.
    #[error("descriptor's size `{found}` is not a number of bytes")]
    Size {
        /// The text found.
        found: String,
    },
    /// Not XML, or not a descriptor at all.
    #[error("descriptor cannot be read")]
    Xml(#[from] xml::Error),
}

impl Error {
    /// The status report for it (SCOMO sheet 7.3): 951 for the version, 906 for everything else.
    #[must_use]
    pub fn report(&self) -> InstallNotify {
        match self {
            Self::Version { .. } => InstallNotify::INVALID_VERSION,
            Self::Missing { .. } | Self::Size { .. } | Self::Xml(_) => InstallNotify::INVALID_DESCRIPTOR,
        }
    }
}

impl Descriptor {
    /// Reads a descriptor; unknown elements are ignored, white space around values is not part of them.
    ///
    /// # Errors
    /// If it is no version 1 descriptor with `type`, `size` and `objectURI`, or goes beyond the limits.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let text = decode(bytes, limits)?;
        let mut scan = Scanner::new(&text, limits);
        open_root(&mut scan)?;
        let mut version = None;
        let mut size = None;
        let mut read = Self::default();
        scan.children(|scan, name| {
            match name {
                "DDVersion" => version = scan.optional()?,
                "size" => size = scan.optional()?,
                "type" => read.types.extend(scan.optional()?),
                "objectURI" => read.object_uri = scan.field()?,
                "name" => read.name = scan.field()?,
                "vendor" => read.vendor = scan.field()?,
                "description" => read.description = scan.field()?,
                "installNotifyURI" => read.install_notify_uri = scan.optional()?,
                "nextURL" => read.next_url = scan.optional()?,
                "infoURL" => read.info_url = scan.optional()?,
                "iconURI" => read.icon_uri = scan.optional()?,
                "installParam" => read.install_param = scan.optional()?,
                _ => scan.skip()?,
            }
            Ok(())
        })?;
        scan.finish()?;
        read.checked(version, size)
    }

    /// The document: UTF-8, mandatory elements and those that are set.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<media xmlns=\"{NAMESPACE}\">\n");
        let size = self.size.to_string();
        let texts = |text: &'static str, value: &str| (!value.is_empty()).then(|| (text, value.to_owned()));
        let uris = |text: &'static str, value: &Option<String>| value.clone().map(|value| (text, value));
        let head = [
            Some(("DDVersion", "1.0".to_owned())),
            texts("name", &self.name),
            texts("vendor", &self.vendor),
            texts("description", &self.description),
        ];
        let types = self.types.iter().map(|value| Some(("type", value.clone())));
        let tail = [
            Some(("size", size)),
            Some(("objectURI", self.object_uri.clone())),
            uris("installNotifyURI", &self.install_notify_uri),
            uris("nextURL", &self.next_url),
            uris("infoURL", &self.info_url),
            uris("iconURI", &self.icon_uri),
            uris("installParam", &self.install_param),
        ];
        for (name, value) in head.into_iter().chain(types).chain(tail).flatten() {
            element(&mut out, name, &value);
        }
        out.push_str("</media>\n");
        out
    }

    /// Judges the version first: a later version need not have what version 1 must.
    fn checked(mut self, version: Option<String>, size: Option<String>) -> Result<Self, Error> {
        if let Some(found) = version.filter(|version| version.split('.').next() != Some("1")) {
            return Err(Error::Version { found: found.chars().take(32).collect() });
        }
        if self.types.is_empty() {
            return Err(Error::Missing { element: "type" });
        }
        if self.object_uri.is_empty() {
            return Err(Error::Missing { element: "objectURI" });
        }
        let size = size.ok_or(Error::Missing { element: "size" })?;
        self.size = size.parse().map_err(|_| Error::Size { found: size.chars().take(32).collect() })?;
        Ok(self)
    }
}

fn open_root(scan: &mut Scanner<'_>) -> Result<(), Error> {
    let root = scan.root()?;
    if root.name != "media" {
        let found = root.name.chars().take(64).collect();
        return Err(Error::Xml(xml::Error::Root { found, expected: "media" }));
    }
    match root.namespace.strip_prefix(NAMESPACE_LATER) {
        Some(version) => Err(Error::Version { found: version.chars().take(32).collect() }),
        None => Ok(()),
    }
}

fn element(out: &mut String, name: &str, value: &str) {
    out.push_str("  <");
    out.push_str(name);
    out.push('>');
    escape(out, value);
    out.push_str("</");
    out.push_str(name);
    out.push_str(">\n");
}

#[cfg(test)]
mod tests;
