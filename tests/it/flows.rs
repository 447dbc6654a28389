//! The flows of the SCOMO architecture (section 5.4), the ends of jobs, and what may go wrong on the way, each played with
//! simulated devices against the whole service. Tests named `f5_4_…` are the flows of that clause, those named `t_…` the rows of the
//! SCOMO sheet's matrix (9.2).

mod alternate;
mod brake;
mod cancel;
mod collect;
mod command;
mod crowd;
mod direct;
mod ends;
mod events;
mod faults;
mod hostile;
mod inventory;
mod makes;
mod operate;
mod queue;
mod refused;
mod restart;
mod rows;
mod vanish;
mod window;

const HELLO: &str = "org.example.hello";
const HELLO_SCRIPT: &str = "org.example.hello.script";
const HELLO_SHA256: &str = "3a7913b4e2f12d9d28875a1d47506742f1465077132e60778c7261f4ec341aa3";
const SETTINGS: &str = "org.example.settings";
const SETTINGS_SHA256: &str = "b7165722834235364cdc1e733ed2806473594911f8ffdc7fcf956bddd38cf5ee";
const NETWORK: &str = "org.example.settings.network";
const SINE: &str = "org.example.sine";
const SINE_SHA256: &str = "6e699ea4ff420efc9136bea3ef416606b851675d0873e94028e6fe5902ad28c8";
const SINE_TABLE: &str = "org.example.sine.table";

/// What the packages install.
const INSTALLERS: &str = r#"
[device.scomo.installer."org.example.hello@1.1.0"]
components = [{ id = "org.example.hello.script", version = "1.1.0" }]
[device.scomo.installer."org.example.settings@2.0.0"]
components = [
    { id = "org.example.settings.network", version = "2.0.0" },
    { id = "org.example.settings.display", version = "1.4.0" },
    { id = "org.example.settings.logging", version = "1.1.0" },
]
[device.scomo.installer."org.example.sine@1.0.0"]
components = [{ id = "org.example.sine.table", version = "1.0.0" }]
"#;

/// The profile of device `dev-<number>`: quick to try again, and as `tables` say.
fn device(number: u32, tables: &str) -> String {
    format!(
        "[[device]]\nid = \"dev-{{n}}\"\nfirst = {number}\nnetwork = {{ backoff = \"10ms\", tries = 8 }}\n{tables}\n{INSTALLERS}"
    )
}

/// A device that differs in nothing from others.
fn plain() -> String {
    device(1, "")
}
