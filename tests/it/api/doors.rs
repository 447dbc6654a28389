//! Who is let in, what a door does not know, and the probes.

use std::time::Duration;

use reqwest::Method;
use scomo::model::digest::Digest;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::service::{Service, client, device, load, read, request};

/// A token for each role, whose secret is the role's name and the tenant's.
fn tokens() -> String {
    let token = |name: &str, roles: &str, tenant: &str| {
        let hash = Digest::of(format!("{name}-{tenant}").as_bytes());
        format!(
            "[[admin.tokens]]\nname = \"{name}\"\nhash = \"sha256:{hash}\"\nroles = [{roles}]\ntenant = \"{tenant}\"\n"
        )
    };
    let each = ["read", "submit", "publish", "operate"].map(|role| token(role, &format!("\"{role}\""), "default"));
    let all = ["default", "other"].map(|tenant| token("all", "\"read\", \"submit\", \"operate\"", tenant));
    format!("[admin]\nauth = \"tokens\"\n{}{}", each.concat(), all.concat())
}

fn routes() -> Vec<(Method, &'static str, &'static str, Value)> {
    let nothing = Value::Null;
    vec![
        (Method::GET, "/requests?source=it&request_id=x", "read", nothing.clone()),
        (Method::POST, "/requests", "submit", request("r", &["d"])),
        (Method::GET, "/requests/it/x", "read", nothing.clone()),
        (Method::POST, "/requests/it/x/cancel", "submit", nothing.clone()),
        (Method::GET, "/jobs", "read", nothing.clone()),
        (Method::GET, "/jobs/x", "read", nothing.clone()),
        (Method::POST, "/jobs/x/cancel", "operate", nothing.clone()),
        (Method::GET, "/devices", "read", nothing.clone()),
        (Method::POST, "/devices", "operate", device("d")),
        (Method::GET, "/devices/x", "read", nothing.clone()),
        (Method::PATCH, "/devices/x", "operate", json!({})),
        (Method::DELETE, "/devices/x", "operate", nothing.clone()),
        (Method::GET, "/packages", "read", nothing.clone()),
        (Method::GET, "/packages/x", "read", nothing.clone()),
        (Method::GET, "/packages/x/1", "read", nothing.clone()),
        (Method::POST, "/select", "read", json!({ "device": "x" })),
        (Method::GET, "/events", "read", nothing),
    ]
}

#[tokio::test]
async fn each_route_opens_for_its_role_alone() {
    let service = Service::with(&tokens()).await;
    for (method, path, needed, body) in routes() {
        for role in ["read", "submit", "publish", "operate"] {
            let call = service.call(method.clone(), path).bearer_auth(format!("{role}-default")).json(&body);
            let answer = read(call).await;
            if role == needed {
                assert!(
                    [200, 201, 202, 204, 404].contains(&answer.status),
                    "{method} {path} as {role}: {}",
                    answer.text
                );
            } else {
                assert_eq!(answer.problem(), (403, "forbidden", vec![]), "{method} {path} as {role}");
                assert!(answer.text.contains(needed), "the role that is needed is named: {}", answer.text);
            }
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn without_a_valid_token_every_route_is_closed() {
    let service = Service::with(&tokens()).await;
    for (method, path, _, body) in routes() {
        for shown in
            [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic cmVhZA=="), Some("read-default"), Some("bearer")]
        {
            let mut call = service.call(method.clone(), path).json(&body);
            if let Some(shown) = shown {
                call = call.header("Authorization", shown);
            }
            let answer = read(call).await;
            assert_eq!(answer.problem(), (401, "unauthorized", vec![]), "{method} {path} with {shown:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let lower = service.call(Method::GET, "/jobs").header("Authorization", "bearer read-default");
    assert_eq!(read(lower).await.status, 200, "the scheme's case does not matter");
    service.stop().await;
}

#[tokio::test]
async fn a_tenant_sees_its_own_and_nothing_else() {
    let service = Service::with(&tokens()).await;
    let call =
        |method: Method, path: &str, tenant: &str| service.call(method, path).bearer_auth(format!("all-{tenant}"));
    for tenant in ["default", "other"] {
        let made = read(call(Method::POST, "/devices", tenant).json(&device("shared"))).await;
        assert_eq!((made.status, &made.body["tenant"]), (201, &json!(tenant)), "the same id twice, a tenant each");
        let other_content = if tenant == "default" { "one" } else { "two" };
        let accepted =
            read(call(Method::POST, "/requests", tenant).json(&request("r", &["shared", other_content]))).await;
        assert_eq!(
            (accepted.status, &accepted.body["jobs"]),
            (202, &json!(2)),
            "the same identity twice, a tenant each"
        );
    }
    read(call(Method::POST, "/devices", "default").json(&device("mine"))).await;
    read(call(Method::POST, "/requests", "default").json(&request("mine", &["mine"]))).await;
    for path in ["/devices/mine", "/requests/it/mine", "/requests?source=it&request_id=mine"] {
        assert_eq!(read(call(Method::GET, path, "default")).await.status, 200, "{path}");
        assert_eq!(read(call(Method::GET, path, "other")).await.problem().0, 404, "{path}");
    }
    assert_eq!(read(call(Method::DELETE, "/devices/mine", "other")).await.problem().0, 404);
    assert_eq!(
        read(call(Method::PATCH, "/devices/mine", "other").json(&json!({ "tags": ["x"] }))).await.problem().0,
        404
    );
    assert_eq!(read(call(Method::POST, "/requests/it/mine/cancel", "other")).await.problem().0, 404);
    let jobs = read(call(Method::GET, "/jobs", "default")).await.body["jobs"].as_array().unwrap().clone();
    assert_eq!(jobs.len(), 3);
    for job in jobs {
        let path = format!("/jobs/{}", job["job_id"].as_str().unwrap());
        assert_eq!(read(call(Method::GET, &path, "other")).await.problem().0, 404);
        assert_eq!(read(call(Method::POST, &format!("{path}/cancel"), "other")).await.problem().0, 404);
    }
    assert_eq!(read(call(Method::GET, "/jobs", "other")).await.body["jobs"].as_array().unwrap().len(), 2);
    let seen = read(call(Method::GET, "/events?after=0", "other")).await.body;
    assert!(seen["events"].as_array().unwrap().iter().all(|event| event["tenant"] == "other"), "{seen}");
    assert!(!seen["events"].as_array().unwrap().is_empty());
    assert_eq!(read(call(Method::GET, "/devices", "other")).await.body["devices"].as_array().unwrap().len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_request_without_a_source_is_its_tokens() {
    let service = Service::with(&tokens()).await;
    let asked = crate::support::service::but(request("r", &["d"]), &json!({ "source": null }));
    let accepted = read(service.call(Method::POST, "/requests").bearer_auth("submit-default").json(&asked)).await;
    assert_eq!((accepted.status, &accepted.body["source"]), (202, &json!("submit")), "{}", accepted.text);
    service.stop().await;
}

#[test]
fn an_open_door_beyond_loopback_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |more: &str| load(dir.path(), dir.path(), more).unwrap_err().to_string();
    let open = refused("[admin]\nlisten = \"0.0.0.0:0\"\n");
    assert!(open.contains("admin.auth") && open.contains("tokens"), "{open}");
    let plain = refused("[device]\nlisten = \"0.0.0.0:0\"\n");
    assert!(plain.contains("device.plain_http"), "{plain}");
    let named = format!("[admin]\nlisten = \"0.0.0.0:0\"\n{}", &tokens()["[admin]\n".len()..]);
    assert!(load(dir.path(), dir.path(), &named).is_ok(), "with tokens it may");
}

#[tokio::test]
async fn a_foreign_name_of_this_machine_opens_nothing() {
    let service = Service::start().await;
    let call = service.call(Method::GET, "/jobs").header("Host", "evil.example:8081");
    assert_eq!(read(call).await.problem(), (403, "forbidden", vec![]), "a page whose name points here");
    service.stop().await;
}

#[tokio::test]
async fn what_a_door_does_not_know_is_a_problem() {
    let service = Service::start().await;
    for path in ["/", "/nothing", "/requests/a/b/c", "/jobs/a/b", "/devices/a/b"] {
        assert_eq!(service.get(path).await.problem(), (404, "not_found", vec![]), "{path}");
    }
    let root = read(service.http().get(service.admin())).await;
    assert_eq!(root.problem().0, 404);
    for (method, path, allowed) in [
        (Method::PUT, "/requests", "GET,HEAD,POST"),
        (Method::DELETE, "/jobs", "GET,HEAD"),
        (Method::POST, "/packages", "GET,HEAD"),
        (Method::GET, "/select", "POST"),
        (Method::POST, "/devices/x", "DELETE,GET,HEAD,PATCH"),
        (Method::GET, "/requests/a/b/cancel", "POST"),
    ] {
        let answer = read(service.call(method.clone(), path)).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed", vec![]), "{method} {path}");
        let mut allow: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    for path in ["/jobs", "/packages", "/devices"] {
        let head = read(service.call(Method::HEAD, path)).await;
        assert_eq!(
            (head.status, head.text.as_str(), head.header("content-type")),
            (200, "", "application/json"),
            "{path}"
        );
    }
    let head = read(service.call(Method::HEAD, "/jobs/x")).await;
    assert_eq!((head.status, head.header("content-type")), (404, "application/problem+json"));
    service.stop().await;
}

#[tokio::test]
async fn probes_and_metrics_tell_how_it_goes() {
    let service = Service::start().await;
    let ops = |path: &str| read(service.http().get(format!("http://{}{path}", service.app.ops)));
    assert_eq!(ops("/livez").await.status, 200);
    let ready = service_is_ready(&service).await;
    assert_eq!(ready["dependencies"]["database"], "up");
    service.post("/requests", &request("r", &["d"])).await;
    service.post("/requests", &json!({})).await;
    let figures = ops("/metrics").await;
    assert!(figures.header("content-type").starts_with("application/openmetrics-text"));
    assert!(figures.text.ends_with("# EOF\n"));
    for (line, what) in [("requests", "accepted"), ("requests", "refused")] {
        let found = figures.text.lines().any(|l| l.contains(line) && l.contains(what) && l.ends_with(" 1"));
        assert!(found, "{line} {what}: {}", figures.text);
    }
    assert_eq!(ops("/nothing").await.status, 404);
    service.stop().await;
}

async fn service_is_ready(service: &Service) -> Value {
    let url = format!("http://{}/readyz", service.app.ops);
    for _ in 0..200 {
        let answer = read(service.http().get(&url)).await;
        assert_eq!(answer.status, 200);
        if !answer.body["dependencies"]["database"].is_null() {
            return answer.body;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the database was never looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_it_is_not_ready_and_ends_what_it_has() {
    let service = Service::with("[limits]\ndrain_timeout = \"5s\"\n").await;
    // A request whose body is still on its way keeps the admin door open.
    let mut slow = TcpStream::connect(service.app.admin).await.unwrap();
    let body = request("slow", &["d"]).to_string();
    let head = format!(
        "POST /api/v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&body.as_bytes()[..10]).await.unwrap();
    let ready = format!("http://{}/readyz", service.app.ops);
    service_is_ready(&service).await;
    let stopping = tokio::spawn(service.stop());
    let probe = client();
    let mut draining = None;
    for _ in 0..200 {
        let answer = read(probe.get(&ready)).await;
        if answer.status != 200 {
            draining = Some(answer);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let draining = draining.expect("it says that it drains");
    assert_eq!((draining.status, &draining.body["phase"]), (503, &json!("draining")));
    slow.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    stopping.await.unwrap();
}
