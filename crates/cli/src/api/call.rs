//! `chamois api call`.

use std::io::Read as _;

use bytes::Bytes;
use clap::Args;
use openapi::{Catalogue, Method};
use prost_reflect::MessageDescriptor;
use proto::http::v1::Consistency;
use rpc::BytesCodec;
use serde_json::Value;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::{Body as HttpBody, StdError};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status, Streaming};

use super::{catalogue, message, names, shown};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// A request is no larger; a member takes no larger message.
const DATA_BYTES_MAX: u64 = 16 << 20;
/// What a write that is only tried out is answered with.
const WOULD_CHANGE: &str = "chamois.http.v1.WouldChange";

/// `chamois api call`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois api call ListComponents -d '{\"type\": [\"Node\"]}'
  chamois api call smd.v1.ComponentService/GetComponent -d '{\"id\": \"x1000c0s0b0n0\"}'
  chamois api call smd.v1.GroupService.CreateGroup -d @group.json --validate-only
  chamois api call WatchService.Watch -H 'chamois-consistency: local'

Keys are those of `chamois api explain METHOD`; the values of enums are as the .proto names them (STATE_READY). A stream of requests is
several JSON texts after each other. Of an answer that is a stream each message is one line. Exit codes are those of every command.")]
pub struct CallArgs {
    /// The method: its last parts are enough if only one is called so
    #[arg(value_name = "METHOD")]
    pub method: String,
    /// The request as JSON; `@file` reads it from a file, `-` from standard input
    #[arg(short, long, value_name = "JSON", default_value = "{}")]
    pub data: String,
    /// Metadata of the call, as `key: value`; once for each
    #[arg(short = 'H', long = "header", value_name = "KEY: VALUE")]
    pub headers: Vec<String>,
    /// Change nothing; show what would change
    #[arg(long)]
    pub validate_only: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: &CallArgs) -> Result<(), CliError> {
    let catalogue = catalogue()?;
    let methods = catalogue.methods().iter().map(|method| (method.name(), method));
    let method = names::find("method", &args.method, methods)?;
    if args.validate_only && !method.rule().can_validate_only {
        let text = format!("{} cannot be tried out", shown::short(method.name()));
        return Err(CliError::new(Kind::Usage, text));
    }
    let request = request(method, args)?;
    let answer = match is_repeatable(method) {
        true => send(connect::to_any(global)?, method, request).await?,
        false => send(connect::without_repeats(global)?, method, request).await?,
    };
    print_all(&catalogue, method, answer).await
}

/// Whether the cluster recognises a repeat, or a repeat does no harm. A stream is not kept for one.
fn is_repeatable(method: &Method) -> bool {
    let descriptor = method.descriptor();
    let is_stream = descriptor.is_client_streaming() || descriptor.is_server_streaming();
    let rule = method.rule();
    let is_read = rule.consistency() != Consistency::Unspecified;
    !is_stream && (is_read || rule.can_validate_only)
}

/// The messages of the request, and its metadata.
fn request(method: &Method, args: &CallArgs) -> Result<Request<Vec<Bytes>>, CliError> {
    let input = method.descriptor().input();
    let messages: Vec<Bytes> = parsed(&data(&args.data)?)?
        .iter()
        .map(|json| message::encode(&input, json))
        .collect::<Result<_, _>>()?;
    if messages.len() != 1 && !method.descriptor().is_client_streaming() {
        let text = format!("--data: expected one JSON text, got {}", messages.len());
        return Err(CliError::new(Kind::Usage, text));
    }
    let mut request = Request::new(messages);
    put_headers(&args.headers, request.metadata_mut())?;
    if args.validate_only {
        let yes = AsciiMetadataValue::from_static("true");
        request.metadata_mut().insert(rpc::VALIDATE_ONLY, yes);
    }
    Ok(request)
}

/// What `--data` means.
fn data(given: &str) -> Result<String, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(
            Kind::Usage,
            format!("cannot read the request from {given}: {error}"),
        )
    };
    let mut text = String::new();
    let read = match given.strip_prefix('@') {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(unreadable)?;
            file.take(DATA_BYTES_MAX + 1).read_to_string(&mut text)
        }
        None if given == "-" => {
            let input = std::io::stdin().lock();
            input.take(DATA_BYTES_MAX + 1).read_to_string(&mut text)
        }
        None => return Ok(given.to_owned()),
    };
    match read.map_err(unreadable)? as u64 > DATA_BYTES_MAX {
        true => Err(CliError::new(
            Kind::Usage,
            format!("{given} has more than {DATA_BYTES_MAX} bytes, which no member takes"),
        )),
        false => Ok(text),
    }
}

/// One JSON text after the other.
fn parsed(text: &str) -> Result<Vec<Value>, CliError> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let values: Result<Vec<Value>, _> = values.collect();
    values.map_err(|error| CliError::new(Kind::Usage, format!("--data is no JSON: {error}")))
}

fn put_headers(headers: &[String], metadata: &mut MetadataMap) -> Result<(), CliError> {
    for header in headers {
        let refused = |problem: &str| {
            let text = format!(
                "--header {header:?}: {problem}; it is `key: value`, and the key does not end with -bin"
            );
            CliError::new(Kind::Usage, text)
        };
        let (key, value) = header
            .split_once(':')
            .ok_or_else(|| refused("there is no colon"))?;
        let key = key.trim().to_ascii_lowercase().parse::<AsciiMetadataKey>();
        let value = value.trim().parse::<AsciiMetadataValue>();
        let key = key.map_err(|_| refused("the key is not one of gRPC"))?;
        let value = value.map_err(|_| refused("the value is not one of gRPC"))?;
        metadata.append(key, value);
    }
    Ok(())
}

/// On the wire every call is a stream of requests and one of answers, of one message where the method says so.
async fn send<C>(
    channel: C,
    method: &Method,
    request: Request<Vec<Bytes>>,
) -> Result<Response<Streaming<Bytes>>, CliError>
where
    C: GrpcService<Body>,
    C::Error: Into<StdError>,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let path = method.grpc_path().parse::<http::uri::PathAndQuery>();
    let path = path.map_err(|error| CliError::other("cannot name the method", error))?;
    let mut client = Grpc::new(channel).max_decoding_message_size(connect::ANSWER_BYTES_MAX);
    let ready = client.ready().await;
    ready.map_err(|error| {
        let error: StdError = error.into();
        Status::unavailable(error.to_string())
    })?;
    let request = request.map(futures::stream::iter);
    Ok(client.streaming(request, path, BytesCodec).await?)
}

async fn print_all(
    catalogue: &Catalogue,
    method: &Method,
    answer: Response<Streaming<Bytes>>,
) -> Result<(), CliError> {
    let would_change = answer.metadata().get_bin(rpc::WOULD_CHANGE);
    let would_change = would_change.and_then(|value| value.to_bytes().ok());
    let output = method.descriptor().output();
    let is_stream = method.descriptor().is_server_streaming();
    let mut messages = answer.into_inner();
    while let Some(bytes) = messages.message().await? {
        let text = match &would_change {
            None => written(&output, &bytes, is_stream)?,
            Some(told) => {
                let tried = catalogue.pool().get_message_by_name(WOULD_CHANGE);
                let tried = tried.ok_or_else(|| CliError::other("cannot read the answer", WOULD_CHANGE))?;
                written(&tried, told, is_stream)?
            }
        };
        if !output::print_line(Some(text))? {
            break;
        }
    }
    Ok(())
}

/// One line of a stream; over many lines otherwise, for people.
fn written(message: &MessageDescriptor, bytes: &Bytes, in_one_line: bool) -> Result<String, CliError> {
    let value = message::decode(message, bytes)?;
    let text = match in_one_line {
        true => serde_json::to_string(&value),
        false => serde_json::to_string_pretty(&value),
    };
    text.map_err(|error| CliError::other("cannot write the answer as JSON", error))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn args(data: &str, headers: &[&str]) -> CallArgs {
        CallArgs {
            method: String::new(),
            data: data.to_owned(),
            headers: headers.iter().map(|header| (*header).to_owned()).collect(),
            validate_only: true,
        }
    }

    fn made(name: &str, args: &CallArgs) -> Result<Request<Vec<Bytes>>, CliError> {
        let catalogue = catalogue()?;
        let mut methods = catalogue.methods().iter();
        let method = methods.find(|method| method.name().ends_with(name)).unwrap();
        request(method, args)
    }

    #[test]
    fn a_request_has_its_message_and_its_metadata() {
        let args = args(r#"{"id": "x0c0s0b0n0"}"#, &["Chamois-Consistency: local", "x:1"]);
        let request = made(".ComponentService.GetComponent", &args).unwrap();
        assert_eq!(request.get_ref().len(), 1);
        let metadata = request.metadata();
        assert_eq!(metadata.get("chamois-consistency").unwrap(), "local");
        assert_eq!(metadata.get("x").unwrap(), "1");
        assert_eq!(metadata.get(rpc::VALIDATE_ONLY).unwrap(), "true");
    }

    #[test]
    fn what_cannot_be_sent_is_usage() {
        let cases: [(&str, &[&str]); 8] = [
            ("{", &[]),
            ("", &[]),
            ("{} {}", &[]),
            (r#"{"idd": 1}"#, &[]),
            ("@/nonexistent/request.json", &[]),
            ("{}", &["no colon"]),
            ("{}", &["a-bin: AA=="]),
            ("{}", &["a key: 1"]),
        ];
        for (data, headers) in cases {
            let refused = made(".ComponentService.GetComponent", &args(data, headers));
            assert_eq!(refused.unwrap_err().kind(), Kind::Usage, "{data} {headers:?}");
        }
    }

    #[test]
    fn a_file_is_read_and_a_stream_is_several_texts() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"{\"id\": \"x0c0s0b0n0\"}").unwrap();
        let path = format!("@{}", file.path().display());
        let request = made(".ComponentService.GetComponent", &args(&path, &[])).unwrap();
        assert_eq!(request.get_ref().len(), 1);
        assert_eq!(parsed("{} {}\n[1]").unwrap().len(), 3);
    }

    /// What changes the membership is no entry of its caller: a repeat would be another change.
    #[test]
    fn only_what_the_cluster_recognises_is_repeated() {
        let catalogue = catalogue().unwrap();
        let is_repeatable = |name: &str| {
            let mut methods = catalogue.methods().iter();
            is_repeatable(methods.find(|method| method.name().ends_with(name)).unwrap())
        };
        for name in [".ListComponents", ".GetComponent", ".CreateComponents"] {
            assert!(is_repeatable(name), "{name}");
        }
        for name in ["WatchService.Watch", ".PromoteMember"] {
            assert!(!is_repeatable(name), "{name}");
        }
    }
}
