use super::*;

fn get(id: u32, uri: &str) -> String {
    command("Get", id, uri)
}

#[test]
fn a_device_has_several_objects_of_which_each_works() {
    let mut bench = Bench::open(
        "scomo.component = [{ id = 'a' }]\nscomo.sync = ['Deactivate']\n\
         [[device.scomo_extra]]\nroot = './Vendor/SCM'\ntype = 'urn:oma:mo:oma-scomo:1.1'\nsync = ['Activate']\n\
         names = { Inventory = 'inventory' }\ncomponent = [{ id = 'b', active = false }]",
    );
    bench.say(
        &[
            get(2, "./Vendor/SCM?prop=Type"),
            exec(3, "./SCOMO/Inventory/Deployed/a/Operations/Deactivate"),
            exec(4, "./Vendor/SCM/inventory/Deployed/b/Operations/Activate"),
            exec(5, "./Vendor/SCM/inventory/Deployed/b/Operations/Deactivate"),
            put("Add", 6, "./Vendor/SCM/Download/x", "node", ""),
            put("Add", 7, "./Vendor/SCM/inventory/Deployed/x", "node", ""),
            put("Add", 8, "./Vendor/Else", "chr", "1"),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(
        (bench.codes(), bench.results()),
        (vec![200, 200, 1200, 1200, 202, 200, 405, 200], vec!["urn:oma:mo:oma-scomo:1.1"])
    );
    bench.finish();
    let told: Vec<_> =
        bench.device.snapshot().components.iter().map(|c| (c.root.clone(), c.id.clone(), c.active)).collect();
    let expected = [("./SCOMO", "a", false), ("./Vendor/SCM", "b", false)];
    assert_eq!(told, expected.map(|(root, id, active)| (root.to_owned(), id.to_owned(), active)));
}

#[test]
fn a_device_without_an_object_has_none() {
    let mut bench = Bench::open("scomo.present = false");
    let at = "./SCOMO/Inventory/Deployed/a/Operations/Activate";
    bench.say(&[get(2, "./SCOMO"), get(3, "."), exec(4, at), "<Final/>".into()].concat());
    assert_eq!((bench.codes(), bench.results()), (vec![200, 404, 200, 404], vec!["DevDetail/DevInfo/Vendor"]));
}

#[test]
fn states_can_be_texts_and_leaves_can_be_missing() {
    let mut bench = Bench::open(
        "scomo.state_format = 'chr'\nscomo.without = ['Version', 'PkgIDRef']\nscomo.sync = ['Deactivate']\n\
         scomo.component = [{ id = 'a', version = '1' }]",
    );
    let a = "./SCOMO/Inventory/Deployed/a";
    bench.say(
        &[
            get(2, &format!("{a}/State")),
            get(3, &format!("{a}/Version")),
            get(4, a),
            get(5, &format!("{a}?list=StructData")),
            put("Replace", 6, &format!("{a}/Version"), "chr", "2"),
            exec(7, &format!("{a}/Operations/Deactivate")),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(bench.codes(), [200, 200, 404, 200, 200, 404, 1200]);
    let format = |c: &Command| if let Command::Results(r) = c { r.items[0].meta.format.clone() } else { None };
    let formats = bench.sent.body.commands.iter().filter_map(format);
    assert_eq!(formats.collect::<Vec<_>>(), ["chr", "node", "node"]);
    assert_eq!(bench.results()[1], "ID/Name/Operations/State/Status");
    assert!(!bench.sent.body.commands.iter().any(|c| format!("{c:?}").contains("PkgIDRef")));
}

#[test]
fn later_versions_have_nodes_of_their_own() {
    let mut bench = Bench::open(
        "scomo.type = 'urn:oma:mo:oma-scomo:1.1'\nscomo.extra = { CheckUpdateFreq = 'P1D', 'Ext/Acme/Full' = '1' }\n\
         scomo.entry_extra = { Download = { Reboot = '0' } }",
    );
    bench.say(
        &[
            get(2, "./SCOMO/CheckUpdateFreq"),
            get(3, "./SCOMO/Ext/Acme"),
            put("Add", 4, "./SCOMO/Download/p", "node", ""),
            put("Replace", 5, "./SCOMO/Download/p/Reboot", "chr", "1"),
            put("Replace", 6, "./SCOMO/CheckUpdateFreq", "chr", "P2D"),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!((bench.codes(), bench.results()), (vec![200, 200, 200, 200, 200, 405], vec!["P1D", "Full"]));
    assert_eq!(bench.text("SCOMO/Download/p/Reboot"), "1");
}

#[test]
fn nodes_can_be_refused_for_a_while_or_for_good() {
    let mut bench = Bench::open(
        "scomo.component = [{ id = 'a' }]\nscomo.sync = ['Deactivate']\n\
         [[device.refuse]]\ncommand = 'Get'\nnode = '.'\nstatus = 405\n\
         [[device.refuse]]\ncommand = 'Get'\nnode = './SCOMO/Inventory'\nbelow = true\nstatus = 403\n\
         [[device.refuse]]\ncommand = 'Exec'\nnode = './SCOMO'\nbelow = true\nstatus = 503\ntimes = 2\n\
         [[device.refuse]]\ncommand = 'Delete'\nnode = './Vendor'\nbelow = true\nstatus = 425\n\
         [[device.refuse]]\ncommand = 'Add'\nnode = './Vendor/B'\nstatus = 420\n\
         [[device.refuse]]\ncommand = 'Replace'\nnode = './Vendor/A'\nstatus = 500\n\
         [[device.refuse]]\ncommand = 'Copy'\nnode = './Vendor/C'\nstatus = 501",
    );
    let at = "./SCOMO/Inventory/Deployed/a/Operations/Deactivate";
    let copy = "<Copy><CmdID>14</CmdID><Item><Target><LocURI>./Vendor/C</LocURI></Target>\
                <Source><LocURI>./Vendor/A</LocURI></Source></Item></Copy>";
    bench.say(
        &[
            get(2, "."),
            get(3, "./SCOMO"),
            get(4, "./SCOMO/Inventory"),
            get(5, "./SCOMO/Inventory/Deployed/a"),
            exec(6, at),
            exec(7, at),
            exec(8, at),
            put("Add", 9, "./Vendor/A", "chr", "1"),
            put("Add", 10, "./Vendor/B", "chr", "1"),
            put("Replace", 11, "./Vendor/A", "chr", "2"),
            command("Delete", 12, "./Vendor/A"),
            copy.to_owned(),
            get(15, "./SCOMO?list=Struct"),
            "<Final/>".into(),
        ]
        .concat(),
    );
    assert_eq!(bench.codes(), [200, 405, 200, 403, 403, 503, 503, 1200, 200, 420, 500, 425, 501, 200]);
    let listed = bench.sent.body.commands.iter().rev().find(|c| c.name() == "Results").unwrap();
    assert!(!format!("{listed:?}").contains("Inventory") && format!("{listed:?}").contains("Download"));
}

#[test]
fn a_device_may_know_no_types() {
    let mut bench = Bench::open("type_property = false");
    bench.say(&[get(2, "./SCOMO?prop=Type"), get(3, "./SCOMO"), "<Final/>".into()].concat());
    assert_eq!(bench.codes(), [200, 406, 200]);
    let Some(Command::Results(results)) = bench.sent.body.commands.last() else { panic!("no results") };
    assert_eq!(results.items[0].meta.r#type, None);
}

#[test]
fn a_large_object_can_end_in_424_the_first_times() {
    let mut bench = Bench::open("faults.size_mismatch = 1\nlimits.size_unit = 'encoded'");
    bench.say(&format!("{}<Final/>", put("Add", 2, "./Vendor/Text", "chr", "old")));
    let chunk = |size: &str, more: &str| {
        format!(
            "<Replace><CmdID>2</CmdID><Meta><Format xmlns='syncml:metinf'>chr</Format>{size}</Meta><Item><Target>\
             <LocURI>./Vendor/Text</LocURI></Target><Data>half</Data>{more}</Item></Replace>"
        )
    };
    for (code, text) in [(424, "old"), (200, "halfhalf")] {
        bench.say(&chunk("<Size xmlns='syncml:metinf'>8</Size>", "<MoreData/>"));
        assert_eq!(bench.codes(), [200, 213]);
        bench.say(&format!("{}<Final/>", chunk("", "")));
        assert_eq!((bench.codes(), bench.text("Vendor/Text")), (vec![200, code], text));
    }
}

#[test]
fn a_package_for_another_environment_is_rejected() {
    let mut bench = Bench::open("scomo.env_type = 'linux'\nscomo.package = [{ id = 'p-1' }]\nscomo.sync = ['Install']");
    let at = "./SCOMO/Inventory/Delivered/p-1";
    let install = exec(3, &format!("{at}/Operations/Install"));
    bench.say(&[put("Add", 2, &format!("{at}/EnvType"), "chr", "java"), install.clone(), "<Final/>".into()].concat());
    assert_eq!(bench.codes(), [200, 200, 1413]);
    bench.say(&[put("Replace", 2, &format!("{at}/EnvType"), "chr", "linux"), install, "<Final/>".into()].concat());
    assert_eq!(bench.codes(), [200, 200, 1200]);
}
