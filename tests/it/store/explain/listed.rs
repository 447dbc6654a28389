//! The statements that are run often, with parameters and how many pages they may look at. Most find one row: a few pages down an
//! index, and those of the table. Where many rows are wanted, the bound is for as many as the parameters ask for.

use super::fleet::{NOW, id};

pub(super) struct Listed {
    pub(super) name: &'static str,
    pub(super) parameters: fn() -> String,
    /// Pages at most.
    pub(super) buffers: u64,
}

const fn a(name: &'static str, buffers: u64, parameters: fn() -> String) -> Listed {
    Listed { name, parameters, buffers }
}

/// How many units share a commit.
const UNITS: u64 = 16;

/// An array of what there is for each of the units.
fn each(what: impl Fn(u64) -> String) -> String {
    let values: Vec<String> = (0..UNITS).map(|n| what(n * 1000 + 10)).collect();
    format!("ARRAY[{}]", values.join(", "))
}

fn quoted(kind: u32, number: u64) -> String {
    format!("'{}'", id(kind, number))
}

fn ids(kind: u32) -> String {
    each(|n| format!("{}::uuid", quoted(kind, n)))
}

fn fresh() -> String {
    each(|n| format!("{}::uuid", quoted(99, n)))
}

fn same(what: &str) -> String {
    each(|_| what.to_owned())
}

fn names() -> String {
    each(|n| format!("'fleet-{n}'"))
}

/// A row of a table by its key and version.
fn job() -> String {
    quoted(3, 500_000)
}

fn device() -> String {
    quoted(1, 500_000)
}

const TENANT: &str = "'default'";
const DEVICE: &str = "'default', 'fleet-500000'";

pub(super) const LISTED: &[Listed] = &[
    // A device message: what it needs, alone and together.
    a("scene.load", 40, || format!("{DEVICE}, 'fleet-user-500000', NULL, '1'")),
    a("batch.scenes", 40 * UNITS, || format!("{}, {}, {}, {}", same(TENANT), names(), same("NULL::uuid"), same("'1'"))),
    a("session.load", 10, || quoted(4, 77_777)),
    a("session.last", 10, device),
    a("device.load", 10, device),
    a("device.by_name", 10, || DEVICE.to_owned()),
    a("device.inventory", 10, device),
    a("device.inventory_history", 20, || quoted(1, 1000)),
    a("job.load", 10, job),
    a("job.waiting", 20, || format!("{DEVICE}, 10")),
    a("job.latest", 40, || format!("{DEVICE}, 64")),
    a("job.ended", 20, || "'default', 'fleet-500001', 10".to_owned()),
    a("grant.of_job", 20, || quoted(3, 1000)),
    a("grant.by_token", 10, || "decode(md5('token 1000'), 'hex')".to_owned()),
    a("package.load", 10, || "'default', 'p', '1'".to_owned()),
    // What it writes: unit by unit, and set-based.
    a("session.insert", 40, || {
        format!("{}, 'default', {}, '2', 0, FALSE, TRUE, 1, NULL, '', NULL, 1, 1", quoted(99, 1), device())
    }),
    a("session.put", 60, || format!("{}, 2, TRUE, FALSE, 3, NULL, '', NULL, {NOW}", quoted(4, 77_777))),
    a("session.close_others", 20, || format!("{}, {}", quoted(1, 1000), quoted(99, 1))),
    a("session.bound_strangers", 20, || format!("{}, 4", quoted(1, 1000))),
    a("device.put", 60, || format!("{}, 7, NULL, 'md5', NULL, '[]', '{{}}', '', '{{}}', '[]', {NOW}", device())),
    a("device.inventory_put", 40, || format!("{}, '{{}}', '', {NOW}", device())),
    a("device.inventory_keep", 40, || format!("{}, {NOW}, {NOW}, '', '{{}}'", device())),
    a("device.inventory_bound", 30, || format!("{}, 20", quoted(1, 1000))),
    a("job.put", 80, || {
        format!("{}, 4, NULL, 'waiting', FALSE, 1, 4, 1, '{{}}', NULL, {NOW}, NULL, NULL, NULL", job())
    }),
    a("grant.revoke", 40, || quoted(3, 1000)),
    a("grant.note", 40, || format!("{}, 17, NULL", quoted(7, 1000))),
    a("event.insert", 40, || format!("{}, 'default', 's', 1, 'k', '{{}}', {NOW}, 1", quoted(99, 1))),
    a("batch.session_insert", 60 * UNITS, || {
        let [no, yes, one] = [same("FALSE"), same("TRUE"), same("1")];
        format!(
            "{}, {}, {}, {}, {one}, {no}, {yes}, {one}, {}, {}, {}, {one}, {one}",
            fresh(),
            same(TENANT),
            ids(1),
            same("'2'"),
            same("NULL::bytea"),
            same("''::bytea"),
            same("NULL::uuid")
        )
    }),
    a("batch.session_put", 60 * UNITS, || {
        let (yes, one) = (same("TRUE"), same("1"));
        format!(
            "{}, {}, {yes}, {yes}, {one}, {}, {}, {}, {one}",
            ids(4),
            same("2"),
            same("NULL::bytea"),
            same("''::bytea"),
            same("NULL::uuid")
        )
    }),
    a("batch.sessions_close", 40 * UNITS, || format!("{}, {}", ids(1), fresh())),
    a("batch.device_put", 60 * UNITS, || {
        let text = same("''");
        format!(
            "{}, {}, {text}, {text}, {text}, {text}, {text}, {}, {text}, {text}, {}",
            ids(1),
            same("7"),
            same("''::bytea"),
            same("1")
        )
    }),
    a("batch.inventory_put", 40 * UNITS, || {
        format!("{}, {}, {}, {}", ids(1), same("''"), same("''::bytea"), same("1"))
    }),
    a("batch.job_put", 80 * UNITS, || {
        let (text, one) = (same("''"), same("1"));
        format!(
            "{}, {}, {}, {text}, {}, {one}, {one}, {one}, {text}, {text}, {one}, {one}, {one}, {one}",
            ids(3),
            same("4"),
            same("NULL::uuid"),
            same("FALSE")
        )
    }),
    a("batch.job_insert", 100 * UNITS, || {
        let (text, one) = (same("''"), same("1"));
        format!(
            "{}, {}, {}, {}, {}, {}, {text}, {}, {one}, {one}, {one}, {one}, {text}, {text}, {one}, {one}, {one}, {one}, {one}",
            fresh(),
            same(TENANT),
            same(&format!("{}::uuid", quoted(2, 7))),
            names(),
            names(),
            ids(1),
            same("FALSE")
        )
    }),
    a("batch.event_insert", 40 * UNITS, || {
        format!(
            "{}, {}, {}, {}, {}, {}, {}, {}",
            fresh(),
            same(TENANT),
            same("'s'"),
            same("1"),
            same("'k'"),
            same("''"),
            same("1"),
            same("1")
        )
    }),
    a("batch.due_done", 20 * UNITS, || format!("{}, {}, {}", same("'job'"), ids(3), fresh())),
    a("batch.due_clear", 20 * UNITS, || format!("{}, {}", same("'job'"), ids(3))),
    a("batch.due_put", 60 * UNITS, || format!("{}, {}, {}", same("'job'"), ids(3), same("1"))),
    a("batch.due_earlier", 60 * UNITS, || format!("{}, {}, {}", same("'job'"), ids(3), same("1"))),
    a("batch.wake_next", 80 * UNITS, || format!("{}, {}, {}, {}", same("'job'"), same(TENANT), names(), same("1"))),
    // Intake.
    a("request.by_identity", 10, || "'default', 'fleet', 'r-777'".to_owned()),
    a("request.identity", 10, || "'default', 'fleet', 'r-777'".to_owned()),
    a("request.insert", 40, || format!("{}, 'default', 'fleet', 'fresh', '', '', 1, 1, 1, NULL, NULL", quoted(99, 1))),
    a("job.insert", 100, || {
        format!(
            "{}, 'default', {}, 'fleet-1', 'fleet-1', NULL, 'waiting', FALSE, 1, 0, 0, 0, '', NULL, 1, 1, NULL, NULL, NULL",
            quoted(99, 1),
            quoted(2, 7)
        )
    }),
    a("device.known", 600, || {
        let names: Vec<String> = (0..50).map(|n| format!("\"fleet-{}\"", n * 20_000 + 10)).collect();
        format!("'default', '[{}]'", names.join(","))
    }),
    a("dead.insert", 40, || {
        format!("{}, 'default', 1, 'k', '', '', 1, NULL, '[]', NULL, 's', '\\x11', FALSE", quoted(99, 1))
    }),
    // Due work: a quarter of a million rows are due.
    a("due.lease", 4000, || format!("{}, {}, {NOW}, '[\"job\", \"device\"]', 64", quoted(99, 1), NOW + 60_000_000)),
    a("due.retry", 30, || format!("'job', {}, {}, 1", quoted(3, 1000), quoted(99, 1))),
    a("due.done", 20, || format!("'job', {}, {}", quoted(3, 1000), quoted(99, 1))),
    a("due.clear", 20, || format!("'job', {}", quoted(3, 1000))),
    a("due.put", 40, || format!("'job', {}, 1", quoted(3, 1000))),
    a("due.put_earlier", 40, || format!("'job', {}, 1", quoted(3, 1000))),
    a("due.wake_next", 60, || "'job', 'default', 'fleet-500002', 1".to_owned()),
    // Events out.
    a("relay.waits", 10, String::new),
    a("relay.lease", 2000, || format!("{}, {}, {NOW}, 8", quoted(99, 1), NOW + 1)),
    a("relay.batch", 400, || format!("7, {NOW}, 50")),
    a("relay.forget", 1000, || "'[1,2,3,4,5,6,7,8,9,10,1000,2000,3000,4000,5000]'".to_owned()),
    a("relay.hold", 40, || format!("1000, {NOW}")),
    a("event.publish", 20_000, || "500".to_owned()),
    a("event.forget", 20_000, || "500".to_owned()),
    a("event.after", 200, || "'default', 250000, 100".to_owned()),
    a("event.newest", 200, String::new),
    a("dead.uncopied", 200, || "50".to_owned()),
    a("dead.copied", 40, || quoted(8, 1000)),
    // Completion.
    a("request.load", 10, || quoted(2, 777)),
    a("job.counts", 150, || quoted(2, 777)),
    a("request.complete", 40, || format!("{}, '{{}}', 1", quoted(2, 777))),
    // The janitor's batches, a thousand rows each.
    a("session.prune", 20_000, || format!("{NOW}, 1000")),
    a("grant.prune", 20_000, || format!("{NOW}, 1000")),
    a("event.prune", 20_000, || format!("{NOW}, 1000")),
    a("dead.prune", 20_000, || format!("{NOW}, 1000")),
    a("job.prune", 40_000, || format!("{NOW}, 1000, 1000")),
    a("request.cleared", 20_000, || format!("{NOW}, 1000, {NOW}")),
    a("request.prune", 20_000, || format!("{NOW}, 1000")),
    // Pages of lists.
    a("job.list", 400, || format!("'default', NULL, NULL, NULL, {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("job.list", 400, || format!("'default', {}, NULL, NULL, {NOW}, {}, 100", quoted(2, 777), quoted(u32::MAX, 0))),
    a("job.list", 400, || {
        format!("'default', {}, NULL, 'failed', {NOW}, {}, 100", quoted(2, 777), quoted(u32::MAX, 0))
    }),
    a("job.list", 100, || format!("'default', NULL, 'fleet-777', NULL, {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("job.list", 100, || format!("'default', NULL, 'fleet-777', 'in_doubt', {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("job.list", 400, || format!("'default', NULL, NULL, 'notified', {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("job.list", 20, || format!("'default', NULL, NULL, 'in_doubt', {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("request.list", 300, || format!("'default', {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("device.list", 300, || format!("'default', {}, {}, 100", NOW - 86_400_000_000 + 400_000, quoted(1, 400_000))),
    a("dead.list", 300, || format!("'default', {NOW}, {}, 100", quoted(u32::MAX, 0))),
    a("dead.load", 10, || format!("'default', {}", quoted(8, 1000))),
];
