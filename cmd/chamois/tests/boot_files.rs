//! Boot files on three real members: put once, there on all of them, and a download outlives the member that began it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use common::{Member, Single, text};

const NAME: &str = "debian-12/initrd";
/// Larger than what sockets hold, so that a member can die in the middle of it.
const FILE_BYTES: usize = 48 << 20;
/// What the first member sends before it dies.
const FIRST_PART: usize = 10 << 20;
/// Nothing that is asked here may take longer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The whole story: what the README promises about boot files.
#[test]
fn boot_files_outlive_members() {
    let mut cluster = Cluster::start();
    let content = content();
    let sha256 = cluster.put(NAME, &content);

    // the download begins at one member, which dies, and goes on at another
    cluster.until("member 1 has it", |cluster| cluster.status(1, NAME) == Some(200));
    let (head, mut body) = cluster.get(1, NAME, "").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(header(&head, "etag"), Some(format!("\"{sha256}\"")));
    let mut received = vec![0; FIRST_PART];
    body.read_exact(&mut received).unwrap();
    cluster.kill(1);
    let read_on = body.read_to_end(&mut received);
    assert!(
        received.len() < content.len(),
        "it died in the middle: {read_on:?}"
    );
    let resume = format!("Range: bytes={}-\r\nIf-Range: \"{sha256}\"\r\n", received.len());
    let (head, mut body) = cluster.get_like_a_node(2, NAME, &resume).unwrap();
    assert!(head.starts_with("HTTP/1.1 206"), "{head}");
    body.read_to_end(&mut received).unwrap();
    assert!(received == content, "the parts of two members make the file");

    // what is put while a member is down arrives there by itself
    let second = cluster.put("second", b"put while member 1 was down");
    cluster.spawn(1);
    cluster.until("member 1 has all contents", |cluster| {
        cluster.contents(1).len() == 2 && cluster.contents(1).contains(&second)
    });

    // a member without the bytes sends the node to one that has them
    let content_file = cluster.site.files_dir(3).join(".content").join(&sha256);
    std::fs::remove_file(&content_file).unwrap();
    let (head, _) = cluster.get(3, NAME, "").unwrap();
    assert!(head.starts_with("HTTP/1.1 307"), "{head}");
    let (head, mut body) = follow(&head, "").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    received.clear();
    body.read_to_end(&mut received).unwrap();
    assert!(received == content);
    cluster.until("member 3 has it again", |_| content_file.exists());

    // a file that lies in one member's folder alone is found from the others, and from there by its own name
    std::fs::write(cluster.site.files_dir(2).join("memtest"), "by hand").unwrap();
    let (head, _) = cluster.get(1, "memtest", "").unwrap();
    assert!(head.starts_with("HTTP/1.1 307"), "{head}");
    let its_address = cluster.site.net.member_address(2);
    assert_eq!(
        header(&head, "location"),
        Some(format!("http://{its_address}:8081/files/memtest?redirected"))
    );
    assert_eq!(cluster.status(2, "memtest"), Some(200));
    assert_eq!(cluster.status(1, "memtest2"), Some(404));

    // deletion reaches all of them
    let (code, _, err) = cluster.site.ask(&["file", "delete", NAME]);
    assert_eq!(code, 0, "{err}");
    for id in 1..=3 {
        cluster.until("the name is gone", |cluster| {
            cluster.status(id, NAME) == Some(404)
        });
    }
}

/// Three members with folders of their own.
struct Cluster {
    site: Single,
    members: Vec<Option<Member>>,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        let mut cluster = Self {
            site,
            members: vec![None, None, None],
        };
        (0..3).for_each(|index| cluster.members[index] = Some(cluster.site.spawn_member(index as u64 + 1)));
        for id in 1..=3 {
            cluster.until_serving(id);
        }
        cluster
    }

    /// Starts a member that was killed.
    fn spawn(&mut self, id: u64) {
        self.members[id as usize - 1] = Some(self.site.spawn_member(id));
        self.until_serving(id);
    }

    fn kill(&mut self, id: u64) {
        self.members[id as usize - 1] = None; // dropping it kills it
    }

    fn until_serving(&self, id: u64) {
        self.until("a member answers nodes", |cluster| {
            cluster.status(id, "nothing") == Some(404)
        });
    }

    /// Uploads with the command line and returns the SHA-256 that it prints.
    fn put(&self, name: &str, content: &[u8]) -> String {
        let path = self.site.dir.path().join("to-put");
        std::fs::write(&path, content).unwrap();
        let mut target = self.site.client_args();
        let endpoints: Vec<String> = (1..=3)
            .map(|id| format!("{}:7441", self.site.net.member_address(id)))
            .collect();
        target[1] = endpoints.join(",");
        let mut args = vec!["file", "put", name, text(&path)];
        args.extend(target.iter().map(String::as_str));
        let (code, out, err) = common::outcome(&common::chamois(&args));
        assert_eq!(code, 0, "{err}");
        let (sha256, printed) = out.trim().split_once("  ").unwrap();
        assert_eq!(printed, name);
        sha256.to_owned()
    }

    fn get(&self, id: u64, name: &str, headers: &str) -> std::io::Result<(String, BufReader<TcpStream>)> {
        let address = SocketAddrV4::new(self.site.net.member_address(id), 8081);
        get(address, &format!("/files/{name}"), headers)
    }

    /// As nodes ask: a member that has not got the bytes yet sends them to one that has.
    fn get_like_a_node(
        &self,
        id: u64,
        name: &str,
        headers: &str,
    ) -> std::io::Result<(String, BufReader<TcpStream>)> {
        let (head, body) = self.get(id, name, headers)?;
        if head.starts_with("HTTP/1.1 307") {
            return follow(&head, headers);
        }
        Ok((head, body))
    }

    fn status(&self, id: u64, name: &str) -> Option<u16> {
        let (head, _) = self.get(id, name, "").ok()?;
        head.split(' ').nth(1)?.parse().ok()
    }

    /// Names of the contents that a member has on disk.
    fn contents(&self, id: u64) -> Vec<String> {
        let folder = std::fs::read_dir(self.site.files_dir(id).join(".content")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.len() == 64).collect()
    }

    /// Waits for a condition, with a bound.
    fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while !condition(self) {
            let logs = || self.members.iter().flatten().map(Member::log).collect::<Vec<_>>();
            assert!(Instant::now() < deadline, "{what}:\n{}", logs().join("\n\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The head and the rest of an answer.
fn get(address: SocketAddrV4, path: &str, headers: &str) -> std::io::Result<(String, BufReader<TcpStream>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n"
    )?;
    let (mut head, mut answer) = (String::new(), BufReader::new(stream));
    while !head.ends_with("\r\n\r\n") {
        if answer.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((head, answer))
}

/// Asks where a redirection says, once.
fn follow(head: &str, headers: &str) -> std::io::Result<(String, BufReader<TcpStream>)> {
    let location = header(head, "location").unwrap();
    let (host, path) = location.strip_prefix("http://").unwrap().split_once('/').unwrap();
    get(host.parse().unwrap(), &format!("/{path}"), headers)
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let (_, value) = lines.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.to_owned())
}

/// Bytes that differ along the file, so that a wrong offset shows.
fn content() -> Vec<u8> {
    let mut word = 1_u64;
    let words = (0..FILE_BYTES / 8).flat_map(|_| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word.to_le_bytes()
    });
    words.collect()
}
