//! What a BMC is told, and what it says by itself.

use std::time::Duration;

use futures::StreamExt;
use redfish::{
    Bmc, Password, ResetType, TaskState, Trust, reset, set_password, simple_update, system_power, task,
};
use serde_json::{Value, json};

use crate::server::{Asked, Fault, Server, connector, limits, login};
use crate::trees;

const SYSTEM: &str = "/redfish/v1/Systems/1";
const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
const UPDATE: &str = "/redfish/v1/UpdateService/Actions/SimpleUpdate";

async fn started() -> (Server, Bmc) {
    let server = Server::start(trees::rack_server()).await;
    let bmc = connector()
        .open(&server.address, login(), Trust::FirstUse, &limits())
        .await
        .unwrap();
    (server, bmc)
}

/// What was sent with `method` after the login.
fn told(server: &Server, method: &str) -> Vec<(String, Value)> {
    let is_told = |asked: &Asked| asked.method == method && !asked.path.contains("/Sessions");
    let asked = server.asked().into_iter().filter(is_told);
    asked.map(|asked| (asked.path, asked.body)).collect()
}

#[tokio::test]
async fn a_reset_is_told_once_and_the_state_is_read_back() {
    let (server, bmc) = started().await;
    let power = system_power(&bmc, SYSTEM).await.unwrap();
    assert_eq!((power.state.as_str(), power.health.as_str()), ("On", "OK"));
    assert_eq!(power.reset_types, ["On", "ForceOff", "GracefulShutdown"]);
    reset(&bmc, &power.reset_target, ResetType::ForceOff)
        .await
        .unwrap();
    assert_eq!(
        told(&server, "POST"),
        [(RESET.to_owned(), json!({"ResetType": "ForceOff"}))]
    );
    let mut off = trees::rack_server()[SYSTEM].clone();
    off["PowerState"] = json!("Off");
    server.put(SYSTEM, off);
    assert_eq!(system_power(&bmc, SYSTEM).await.unwrap().state, "Off");
}

/// It may have been done: only the caller can find out, by reading back.
#[tokio::test]
async fn a_reset_without_an_answer_is_not_repeated() {
    for fault in [Fault::Silent, Fault::Truncated, Fault::Status(503)] {
        let (server, bmc) = started().await;
        server.fault(RESET, fault.clone());
        let error = reset(&bmc, RESET, ResetType::On).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{fault:?}: {error}");
        assert_eq!(told(&server, "POST").len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_reset_or_updated_is_said() {
    let (server, bmc) = started().await;
    let error = reset(&bmc, "", ResetType::On).await.unwrap_err();
    assert_eq!(error.word(), "unsupported");
    let error = simple_update(&bmc, "", "http://10.0.0.1/x", &[])
        .await
        .unwrap_err();
    assert_eq!(error.word(), "unsupported");
    server.answer(
        RESET,
        400,
        &[],
        json!({"error": {"message": "not while the system is on"}}),
    );
    let error = reset(&bmc, RESET, ResetType::On).await.unwrap_err();
    assert!(
        error.to_string().ends_with("400: not while the system is on"),
        "{error}"
    );
    assert!(!error.is_outcome_unknown());
}

/// A session that has ended was no request: it is sent again after the login.
#[tokio::test]
async fn a_reset_in_a_session_that_has_ended_is_told_after_a_new_login() {
    let (server, bmc) = started().await;
    server.end_sessions();
    reset(&bmc, RESET, ResetType::On).await.unwrap();
    assert_eq!(server.sessions_made(), 2);
}

#[tokio::test]
async fn an_update_becomes_a_task_that_is_followed_to_its_end() {
    let (server, bmc) = started().await;
    let monitor = "/redfish/v1/TaskService/TaskMonitors/7";
    let location = format!("https://{}{monitor}", server.address);
    server.answer(
        UPDATE,
        202,
        &[("Location", &location)],
        json!({"@odata.id": "/redfish/v1/TaskService/Tasks/7"}),
    );
    let targets = ["/redfish/v1/UpdateService/FirmwareInventory/BMC".to_owned()];
    let uri = simple_update(&bmc, UPDATE, "https://10.0.0.1/bmc.bin", &targets)
        .await
        .unwrap();
    assert_eq!(uri, monitor);
    assert_eq!(told(&server, "POST")[0].1["TransferProtocol"], "HTTPS");
    server.put(monitor, json!({"TaskState": "Running", "PercentComplete": 10}));
    let running = task(&bmc, &uri).await.unwrap();
    assert_eq!((running.state, running.percent), (TaskState::Running, Some(10)));
    server.fault(monitor, Fault::Once(202));
    assert_eq!(task(&bmc, &uri).await.unwrap().state, TaskState::Running);
    server.put(
        monitor,
        json!({"TaskState": "Exception", "Messages": [{"Message": "bad image"}]}),
    );
    let failed = task(&bmc, &uri).await.unwrap();
    assert_eq!(
        (failed.state, failed.message.as_str()),
        (TaskState::Failed, "bad image")
    );
}

#[tokio::test]
async fn an_update_without_a_task_names_none() {
    let (_server, bmc) = started().await;
    let uri = simple_update(&bmc, UPDATE, "http://10.0.0.1/x", &[])
        .await
        .unwrap();
    assert_eq!(uri, "");
}

#[tokio::test]
async fn a_password_is_set_at_the_account_of_that_name() {
    let (server, bmc) = started().await;
    server.give_etags();
    set_password(&bmc, "root", &Password::new("changed0"))
        .await
        .unwrap();
    let account = "/redfish/v1/AccountService/Accounts/2";
    assert_eq!(
        told(&server, "PATCH"),
        [(account.to_owned(), json!({"Password": "changed0"}))]
    );
    let patch = server
        .asked()
        .into_iter()
        .find(|asked| asked.method == "PATCH")
        .unwrap();
    assert!(patch.headers["if-match"].starts_with("W/"), "{:?}", patch.headers);
}

#[tokio::test]
async fn a_password_of_nobody_is_not_set() {
    let (server, bmc) = started().await;
    let error = set_password(&bmc, "admin", &Password::new("changed0"))
        .await
        .unwrap_err();
    assert_eq!(error.word(), "unsupported");
    assert!(!error.to_string().contains("changed0"));
    assert!(told(&server, "PATCH").is_empty());
}

/// Some repeat what they do not like, and an error goes into logs, jobs and answers.
#[tokio::test]
async fn a_password_that_a_bmc_repeats_is_not_shown() {
    let (server, bmc) = started().await;
    let account = "/redfish/v1/AccountService/Accounts/2";
    let said = json!({"error": {"message": "The value changed0 of Password is too short."}});
    server.answer(account, 400, &[], said);
    let set = set_password(&bmc, "root", &Password::new("changed0")).await;
    assert_eq!(
        set.unwrap_err().to_string(),
        format!("PATCH {account} was answered with 400: The value … of Password is too short.")
    );
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let (server, bmc) = started().await;
    server.give_etags();
    let first = bmc.get(SYSTEM).await.unwrap();
    let second = bmc.fresh(SYSTEM).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    let last = server.asked().pop().unwrap();
    assert!(last.headers.contains_key("if-none-match"));
    let mut changed = trees::rack_server()[SYSTEM].clone();
    changed["AssetTag"] = json!("new");
    server.put(SYSTEM, changed);
    assert_eq!(bmc.fresh(SYSTEM).await.unwrap()["AssetTag"], "new");
    assert_eq!(bmc.get(SYSTEM).await.unwrap()["AssetTag"], "new");
}

/// A server of events of its own: head, two events in odd pieces, the end.
async fn event_server(pieces: Vec<&'static str>) -> (tokio::task::JoinHandle<()>, redfish::Address) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            if head.starts_with(b"GET /redfish/v1/ ") {
                let root = r#"{"RedfishVersion": "1.6.0"}"#;
                let text = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{root}",
                    root.len()
                );
                stream.write_all(text.as_bytes()).await.unwrap();
                continue;
            }
            for piece in &pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    (task, address)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

#[tokio::test]
async fn events_are_read_until_the_stream_ends() {
    let pieces = vec![
        HEAD,
        ": hello\n\nid: 1\ndata: {\"Events\": [{\"MessageId\": \"a\", ",
        "\"OriginOfCondition\": {\"@odata.id\": \"/redfish/v1/Systems/1\"}}, {\"MessageId\": \"b\"}]}\n",
        "\ndata: no json\n\n",
        "data: {\"MessageId\": \"c\", \"Severity\": \"Critical\"}\r\n\r\n",
    ];
    let (task, address) = event_server(pieces).await;
    let bmc = connector()
        .open(&address, None, Trust::FirstUse, &limits())
        .await
        .unwrap();
    let stream = bmc.events("/redfish/v1/EventService/SSE").await.unwrap();
    drop(bmc);
    let events: Vec<_> = stream.map(Result::unwrap).collect().await;
    let ids: Vec<&str> = events.iter().map(|event| event.message_id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(events[0].origin, "/redfish/v1/Systems/1");
    assert_eq!(events[2].severity, "Critical");
    task.abort();
}

#[tokio::test]
async fn what_is_no_stream_of_events_is_refused() {
    let (_server, bmc) = started().await;
    let error = bmc.events("/redfish/v1/Systems").await.err().unwrap();
    assert_eq!(error.word(), "broken");
    let error = bmc.events("https://127.0.0.9/SSE").await.err().unwrap();
    assert_eq!(error.word(), "broken");
}
