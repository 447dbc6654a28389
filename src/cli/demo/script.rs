//! What the demo plays: flows of the SCOMO architecture (section 5.4) by clause, and endings. The rows of a track are played one
//! after the other on one device, the tracks at the same time.

/// Rows for one device.
pub(super) struct Track {
    /// The device, one of `devices.toml`.
    pub(super) device: &'static str,
    /// Its rows, in order.
    pub(super) rows: &'static [Row],
}

/// One flow.
pub(super) struct Row {
    pub(super) clause: &'static str,
    pub(super) title: &'static str,
    /// What the device runs for it; `Data` where writing the bytes is all.
    pub(super) primitive: &'static str,
    /// What is asked for.
    pub(super) ask: Ask,
    /// How it must end: the last part of the event's type, and the SCOMO result code where the device reports one.
    pub(super) outcome: &'static str,
    pub(super) code: Option<u16>,
    /// What must be true on the device afterwards.
    pub(super) then: Then,
}

/// A request.
pub(super) enum Ask {
    /// `kind: "download"` of a package in this version.
    Download { package: &'static str, version: &'static str, action: &'static str, delivery: &'static str },
    /// `kind: "operation"` on a delivered package.
    Package { operation: &'static str, package: &'static str, version: &'static str },
    /// `kind: "operation"` on a component.
    Component { operation: &'static str, component: &'static str },
}

/// What the device's own tree must say.
pub(super) enum Then {
    /// The package lies delivered, byte for byte.
    Delivered,
    /// The component is there in this version, active; the bytes that came are the package's.
    Installed { component: &'static str, version: &'static str },
    /// The component is not there.
    Absent { component: &'static str },
}

const HELLO: &str = "org.example.hello";
const SINE: &str = "org.example.sine";
const SETTINGS: &str = "org.example.settings";
const ADDER: &str = "org.example.adder";

const fn download(package: &'static str, version: &'static str, action: &'static str, delivery: &'static str) -> Ask {
    Ask::Download { package, version, action, delivery }
}

pub(super) const TRACKS: &[Track] = &[
    Track {
        device: "IMEI:350000000000001",
        rows: &[
            Row {
                clause: "5.4.1.1",
                title: "delivered over DM in one message",
                primitive: "Data",
                ask: download(HELLO, "1.1.0", "deliver", "auto"),
                outcome: "succeeded",
                code: None,
                then: Then::Delivered,
            },
            Row {
                clause: "5.4.3.1",
                title: "a delivered package is installed",
                primitive: "Install",
                ask: Ask::Package { operation: "install", package: HELLO, version: "1.1.0" },
                outcome: "succeeded",
                code: Some(1200),
                then: Then::Installed { component: "org.example.hello.script", version: "1.1.0" },
            },
            Row {
                clause: "5.4.3.1",
                title: "a component is removed",
                primitive: "Remove",
                ask: Ask::Component { operation: "remove", component: "org.example.hello.script" },
                outcome: "succeeded",
                code: Some(1200),
                then: Then::Absent { component: "org.example.hello.script" },
            },
        ],
    },
    Track {
        device: "IMEI:350000000000002",
        rows: &[Row {
            clause: "5.4.1.1",
            title: "delivered over DM in chunks and installed",
            primitive: "Install",
            ask: download(SINE, "1.0.0", "install", "auto"),
            outcome: "succeeded",
            code: Some(1200),
            then: Then::Installed { component: "org.example.sine.table", version: "1.0.0" },
        }],
    },
    Track {
        device: "IMEI:350000000000003",
        rows: &[
            Row {
                clause: "5.4.2.1",
                title: "fetched by descriptor and installed",
                primitive: "DownloadInstall",
                ask: download(SETTINGS, ">=1", "install", "alternate"),
                outcome: "succeeded",
                code: Some(1200),
                then: Then::Installed { component: "org.example.settings.network", version: "2.0.0" },
            },
            Row {
                clause: "ending:already_done",
                title: "asked for what the device has",
                primitive: "DownloadInstall",
                ask: download(SETTINGS, ">=1", "install", "alternate"),
                outcome: "already_done",
                code: None,
                then: Then::Installed { component: "org.example.settings.network", version: "2.0.0" },
            },
        ],
    },
    Track {
        device: "IMEI:350000000000004",
        rows: &[Row {
            clause: "5.4.2.1",
            title: "fetched as the package itself",
            primitive: "Download",
            ask: download(SINE, "1.0.0", "deliver", "auto"),
            outcome: "succeeded",
            code: Some(1200),
            then: Then::Delivered,
        }],
    },
    Track {
        device: "IMEI:350000000000005",
        rows: &[Row {
            clause: "ending:declined",
            title: "the device's user says no",
            primitive: "DownloadInstall",
            ask: download(ADDER, "1.0.0", "install", "alternate"),
            outcome: "declined",
            code: Some(1401),
            then: Then::Absent { component: "org.example.adder.module" },
        }],
    },
    Track {
        device: "IMEI:350000000000006",
        rows: &[Row {
            clause: "ending:failed",
            title: "the installation fails",
            primitive: "Install",
            ask: download(ADDER, "1.0.0", "install", "direct"),
            outcome: "failed",
            code: Some(1405),
            then: Then::Absent { component: "org.example.adder.module" },
        }],
    },
];
