//! What the helper does without privileges: its start, its socket, and how it talks to clients.
//! With privileges: `tests/takeover`.

use super::*;
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(10);

fn target() -> Target {
    "eth0=10.97.0.1".parse().unwrap()
}

#[tokio::test]
async fn a_helper_without_addresses_is_refused() {
    let options = HelperOptions {
        socket: "/nowhere/address.sock".into(),
        allowed: vec![],
    };
    let error = run(options, std::future::pending())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("--allow"), "{error}");
}

/// Wrong interface or no privilege: said at start, not at the first takeover in the middle of the night.
#[tokio::test]
async fn an_address_that_can_not_be_touched_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("address.sock");
    let options = HelperOptions {
        socket: socket.clone(),
        allowed: vec!["nosuchif0=10.97.0.1".parse().unwrap()],
    };
    let error = run(options, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, HelperError::Unprivileged { .. }));
    assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    assert!(!socket.exists(), "nobody is invited before it works");
}

#[tokio::test]
async fn the_socket_is_for_its_group_only_and_a_left_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("address.sock");
    let first = listen(&path).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let error = listen(&path).await.unwrap_err();
    assert!(matches!(error, HelperError::AlreadyRunning(_)), "{error}");
    drop(first); // as a killed helper leaves it
    assert!(path.exists());
    listen(&path).await.unwrap();
    let error = listen(&folder.path().join("no/such/folder/x.sock"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

/// A conversation with [`converse`], with the test in place of the task that owns the addresses.
struct Talk {
    client: BufReader<UnixStream>,
    asked: mpsc::Receiver<Asked>,
}

impl Talk {
    fn start() -> Talk {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (requests, asked) = mpsc::channel(1);
        tokio::spawn(async move {
            converse(theirs, 7, &requests).await.unwrap();
            let _ = requests.send(Asked::Gone(7)).await;
        });
        Talk {
            client: BufReader::new(ours),
            asked,
        }
    }

    async fn say(&mut self, text: &str) {
        self.client.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Option<String> {
        timeout(BOUND, read_line(&mut self.client))
            .await
            .expect("in time")
            .unwrap()
    }

    async fn asked(&mut self) -> Asked {
        timeout(BOUND, self.asked.recv()).await.expect("in time").unwrap()
    }
}

#[tokio::test]
async fn requests_are_answered_in_order() {
    let mut talk = Talk::start();
    talk.say("claim eth0 10.97.0.1\nrelease eth0 10.97.0.1\n").await;
    for (expected, answer) in [
        (Request::Claim(target()), Reply::Held),
        (Request::Release(target()), Reply::Released),
    ] {
        let Asked::Request {
            client: 7,
            request,
            reply,
        } = talk.asked().await
        else {
            panic!("a request of client 7")
        };
        assert_eq!(request, expected);
        reply.send(answer.clone()).unwrap();
        assert_eq!(talk.hear().await, Some(answer.line(&target())));
    }
    drop(talk.client);
    assert!(matches!(
        timeout(BOUND, talk.asked.recv()).await.unwrap(),
        Some(Asked::Gone(7))
    ));
}

/// Nonsense is answered and reaches nobody; a line without end is the end of the connection.
#[tokio::test]
async fn nonsense_is_refused_and_endless_lines_end_the_connection() {
    let mut talk = Talk::start();
    talk.say("claim eth0 10.97.0.1; rm -rf /\n\n").await;
    for _ in 0..2 {
        assert!(talk.hear().await.unwrap().starts_with("refused "));
    }
    talk.say(&"x".repeat(1000)).await;
    assert!(matches!(talk.asked().await, Asked::Gone(7)));
}
