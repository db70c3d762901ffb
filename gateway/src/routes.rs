//! The route table: `google.api.http` and `MethodRule` of every method, compiled once when the gateway starts.

use std::borrow::Cow;
use std::collections::HashMap;

use http::header::LOCATION;
use http::uri::PathAndQuery;
use http::{HeaderName, Method, StatusCode};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor,
};
use proto::google::api::{HttpRule, http_rule::Pattern};
use proto::http::v1::{FieldRule, MethodRule, Permission};

use crate::StartError;
use crate::schema::{MessageId, Schema, SchemaBuilder, extension};

/// What says when an object last changed.
const META: &str = "chamois.http.v1.ObjectMeta";

/// What a write that is only tried out is answered with.
const WOULD_CHANGE: &str = "chamois.http.v1.WouldChange";

/// One HTTP binding of one method.
#[derive(Debug)]
pub(crate) struct Route {
    /// `/package.Service/Method`.
    pub(crate) grpc_path: PathAndQuery,
    pub(crate) verb: Method,
    /// As in the .proto, e.g. `/hsm/v2/State/Components/{id}`.
    pub(crate) template: String,
    /// Places of the request's fields that the path's variables fill, in the order of the path.
    pub(crate) variables: Vec<usize>,
    pub(crate) input: MessageId,
    pub(crate) body: Body,
    pub(crate) output: Output,
    /// HTTP status of success.
    pub(crate) success: StatusCode,
    /// HTTP status of a body that does not decode.
    pub(crate) malformed_body: StatusCode,
    /// Names of headers, and the numbers of the response's text fields that they show.
    pub(crate) headers: Vec<(HeaderName, u32)>,
    /// Number of the request's field for the revision in `If-Match`.
    pub(crate) if_match: Option<u32>,
    /// Names of HTTP headers, and the numbers of the request's text fields that they fill.
    pub(crate) from_headers: Vec<(HeaderName, u32)>,
    /// The guard tells whether the answer has changed (`made_of`), so it may be kept.
    pub(crate) may_be_kept: bool,
    /// Nodes ask for it, each known by its address.
    pub(crate) is_for_nodes: bool,
    /// The service may take `Limits::long_answer_at_most`.
    pub(crate) takes_long: bool,
    /// Number of the response's `ObjectMeta`.
    pub(crate) meta: Option<u32>,
    /// It is a WebSocket, and where its messages are.
    pub(crate) websocket: Option<Frames>,
}

/// Where a `websocket` method has the messages of its client: numbers of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Of the request.
    pub(crate) asked: u32,
    /// Of the answers.
    pub(crate) answered: u32,
    /// Of the answers: the text that says why it ends.
    pub(crate) reason: Option<u32>,
}

/// Where the HTTP body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nowhere: the query fills the request.
    None,
    /// `body: "*"`: its keys are the request's fields.
    Whole,
    /// `body: "field"`: the place of that field; the query fills the others.
    Field(usize),
}

/// What the HTTP response shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Nothing: no field of the response has a JSON form.
    Empty,
    /// `google.api.HttpBody`: its bytes as they are.
    Raw,
    /// The whole message.
    Message(MessageId),
    /// `response_body`: the value of the field at this place, bare.
    Field(MessageId, usize),
}

/// All routes of one port.
#[derive(Debug)]
pub(crate) struct RouteTable {
    pub(crate) schema: Schema,
    /// `chamois.http.v1.WouldChange`, if the descriptor has it.
    pub(crate) would_change: Option<MessageId>,
    routes: Vec<Route>,
    root: Segment,
}

/// What the table has for a verb and a path.
#[derive(Debug)]
pub(crate) enum Found<'t, 'p> {
    /// The route, and the values of its variables in the order of the path.
    Route(&'t Route, Vec<&'p str>),
    /// The path is known for these verbs only, e.g. `GET,POST`.
    OtherVerbs(String),
    /// No route has this path.
    Nothing,
}

/// The part of the table below one path segment.
#[derive(Debug, Default)]
struct Segment {
    literals: HashMap<String, Segment>,
    variable: Option<Box<Segment>>,
    /// Places in `routes` that end here.
    ends: Vec<usize>,
}

impl RouteTable {
    /// Compiles the routes of the methods whose rule `serves` wants.
    ///
    /// # Errors
    /// A rule that this gateway cannot serve, or two methods bound to one route; the text names them.
    pub(crate) fn new(
        pool: &DescriptorPool,
        serves: impl Fn(&MethodRule) -> bool,
    ) -> Result<Self, StartError> {
        let http = extension(pool, "google.api.http")?;
        let method_rule = extension(pool, "chamois.http.v1.method")?;
        let mut compiler = Compiler {
            schema: SchemaBuilder::new(pool)?,
            routes: Vec::new(),
            root: Segment::default(),
        };
        for method in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            let Some(binding) = option::<HttpRule>(&method, &http)? else {
                continue;
            };
            let rule: MethodRule = option(&method, &method_rule)?.ok_or_else(|| {
                StartError::new(
                    method.full_name(),
                    "has a route but no (chamois.http.v1.method) option",
                )
            })?;
            if serves(&rule) {
                for bound in std::iter::once(&binding).chain(&binding.additional_bindings) {
                    compiler
                        .bind(&method, bound, &rule)
                        .map_err(|problem| StartError::new(method.full_name(), problem))?;
                }
            }
        }
        let would_change = pool.get_message_by_name(WOULD_CHANGE);
        let would_change = would_change.map(|message| compiler.schema.message(&message));
        Ok(Self {
            would_change: would_change.transpose()?,
            schema: compiler.schema.finish(),
            routes: compiler.routes,
            root: compiler.root,
        })
    }

    /// Finds the route of `verb` for the decoded `segments` of a path. A literal segment goes before a variable.
    pub(crate) fn find<'p>(&self, verb: &Method, segments: &'p [Cow<'p, str>]) -> Found<'_, 'p> {
        let mut values = Vec::new();
        let mut other_verbs = Vec::new();
        match self.search(&self.root, verb, segments, &mut values, &mut other_verbs) {
            Some(route) => Found::Route(route, values),
            None if other_verbs.is_empty() => Found::Nothing,
            None => Found::OtherVerbs(other_verbs.join(",")),
        }
    }

    /// Every route, in the order of the descriptor.
    #[cfg(test)]
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    fn search<'t, 'p>(
        &'t self,
        at: &'t Segment,
        verb: &Method,
        rest: &'p [Cow<'p, str>],
        values: &mut Vec<&'p str>,
        other_verbs: &mut Vec<&'t str>,
    ) -> Option<&'t Route> {
        let Some((first, rest)) = rest.split_first() else {
            let ends = at.ends.iter().map(|end| &self.routes[*end]);
            let found = ends.clone().find(|route| route.verb == *verb);
            if found.is_none() {
                other_verbs.extend(ends.map(|route| route.verb.as_str()));
            }
            return found;
        };
        if let Some(next) = at.literals.get(first.as_ref()) {
            let found = self.search(next, verb, rest, values, other_verbs);
            if found.is_some() {
                return found;
            }
        }
        let next = at.variable.as_ref().filter(|_| !first.is_empty())?;
        values.push(first);
        let found = self.search(next, verb, rest, values, other_verbs);
        if found.is_none() {
            values.pop();
        }
        found
    }
}

struct Compiler {
    schema: SchemaBuilder,
    routes: Vec<Route>,
    root: Segment,
}

impl Compiler {
    fn bind(
        &mut self,
        method: &MethodDescriptor,
        binding: &HttpRule,
        rule: &MethodRule,
    ) -> Result<(), String> {
        let (verb, template) = pattern(binding)?;
        let websocket = self.websocket(method, rule, &verb)?;
        if websocket.is_none() && (method.is_client_streaming() || method.is_server_streaming()) {
            return Err("a streaming method has no HTTP route".into());
        }
        let input = self
            .schema
            .message(&method.input())
            .map_err(|error| error.to_string())?;
        if let Some(key) = self.schema.map_in(input) {
            return Err(format!(
                "{key}: a request cannot have a map; use a list of key and value"
            ));
        }
        let variables = self.place(method, &verb, template, input)?;
        let field = |name: &str| self.schema.position(input, name);
        let body = match binding.body.as_str() {
            "" => Body::None,
            "*" => Body::Whole,
            name => Body::Field(field(name).ok_or_else(|| format!("body: no field {name} in the request"))?),
        };
        let output = self.output(method, &binding.response_body)?;
        self.routes.push(Route {
            grpc_path: grpc_path(method)?,
            verb,
            template: template.to_owned(),
            variables,
            input,
            body,
            output,
            success: status(rule.success_status, StatusCode::OK)?,
            malformed_body: status(rule.malformed_body_status, StatusCode::BAD_REQUEST)?,
            headers: self.headers(method, rule)?,
            if_match: self.if_match(method)?,
            from_headers: self.filled_by_headers(method)?,
            may_be_kept: !rule.made_of.is_empty(),
            is_for_nodes: rule.permission() == Permission::Node,
            takes_long: rule.takes_long,
            meta: method.output().fields().find(is_meta).map(|field| field.number()),
            websocket,
        });
        Ok(())
    }

    /// Where the messages of a WebSocket are; `None` for another method.
    fn websocket(
        &self,
        method: &MethodDescriptor,
        rule: &MethodRule,
        verb: &Method,
    ) -> Result<Option<Frames>, String> {
        if !rule.websocket {
            return Ok(None);
        }
        let both_ways = method.is_client_streaming() && method.is_server_streaming();
        let asked = self.marked(&method.input(), |rule| rule.frame)?;
        let answered = self.marked(&method.output(), |rule| rule.frame)?;
        let reason = self.marked(&method.output(), |rule| rule.close_reason)?;
        let is_text = |field: &FieldDescriptor| matches!(field.kind(), Kind::String);
        let is_bytes = |field: &FieldDescriptor| matches!(field.kind(), Kind::Bytes);
        match (asked, answered) {
            (Some(asked), Some(answered))
                if both_ways
                    && *verb == Method::GET
                    && is_bytes(&asked)
                    && is_bytes(&answered)
                    && reason.as_ref().is_none_or(is_text) =>
            {
                Ok(Some(Frames {
                    asked: asked.number(),
                    answered: answered.number(),
                    reason: reason.map(|field| field.number()),
                }))
            }
            _ => Err(
                "websocket: needs a GET, streams both ways, native-only bytes marked `frame` in each, and a text as \
                 `close_reason` if there is one"
                    .into(),
            ),
        }
    }

    /// The native-only field, no list, that `is_it` marks.
    fn marked(
        &self,
        message: &MessageDescriptor,
        is_it: impl Fn(&FieldRule) -> bool,
    ) -> Result<Option<FieldDescriptor>, String> {
        for field in message.fields() {
            let rule = self.schema.rule(&field).map_err(|error| error.to_string())?;
            if is_it(&rule) && rule.native_only && !field.is_list() {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// Headers that show a field of the response.
    fn headers(
        &self,
        method: &MethodDescriptor,
        rule: &MethodRule,
    ) -> Result<Vec<(HeaderName, u32)>, String> {
        let output = method.output();
        let mut headers = Vec::new();
        if !rule.location_field.is_empty() {
            let field = output.get_field_by_name(&rule.location_field);
            let missing = || format!("location_field: no field {} in the response", rule.location_field);
            headers.push((LOCATION, field.ok_or_else(missing)?.number()));
        }
        for field in output.fields() {
            let rule = self.schema.rule(&field).map_err(|error| error.to_string())?;
            if rule.header.is_empty() {
                continue;
            }
            let name = rule.header.parse().map_err(|error| format!("header: {error}"))?;
            if !matches!(field.kind(), Kind::String) {
                return Err(format!("{}: a header shows a text", field.name()));
            }
            headers.push((name, field.number()));
        }
        Ok(headers)
    }

    /// The request's field for the revision in `If-Match`.
    fn if_match(&self, method: &MethodDescriptor) -> Result<Option<u32>, String> {
        for field in method.input().fields() {
            let rule = self.schema.rule(&field).map_err(|error| error.to_string())?;
            if rule.if_match {
                let fits = rule.native_only && matches!(field.kind(), Kind::Uint64);
                let problem = || format!("{}: if_match needs a native-only uint64", field.name());
                return fits.then(|| Some(field.number())).ok_or_else(problem);
            }
        }
        Ok(None)
    }

    /// The request's fields that HTTP headers fill.
    fn filled_by_headers(&self, method: &MethodDescriptor) -> Result<Vec<(HeaderName, u32)>, String> {
        let mut headers = Vec::new();
        for field in method.input().fields() {
            let rule = self.schema.rule(&field).map_err(|error| error.to_string())?;
            if rule.from_header.is_empty() {
                continue;
            }
            if !rule.native_only || field.is_list() || !matches!(field.kind(), Kind::String) {
                return Err(format!(
                    "{}: from_header needs a native-only string",
                    field.name()
                ));
            }
            let name = rule
                .from_header
                .parse()
                .map_err(|error| format!("from_header: {error}"))?;
            headers.push((name, field.number()));
        }
        Ok(headers)
    }

    /// Puts the route that is pushed next into the tree; gives the fields that its variables fill.
    fn place(
        &mut self,
        method: &MethodDescriptor,
        verb: &Method,
        template: &str,
        input: MessageId,
    ) -> Result<Vec<usize>, String> {
        let path = template
            .strip_prefix('/')
            .ok_or_else(|| format!("{template}: must begin with /"))?;
        let mut variables = Vec::new();
        let mut at = &mut self.root;
        for segment in path.split('/') {
            if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                let place = self.schema.position(input, name);
                variables.push(place.ok_or_else(|| format!("{template}: no field {name} in the request"))?);
                at = at.variable.get_or_insert_default();
            } else if segment.is_empty() || segment.contains(['{', '}', '*', ':']) {
                return Err(format!(
                    "{template}: a segment is a literal or one whole {{field}}"
                ));
            } else {
                at = at.literals.entry(segment.to_owned()).or_default();
            }
        }
        if let Some(other) = at
            .ends
            .iter()
            .map(|end| &self.routes[*end])
            .find(|route| route.verb == *verb)
        {
            return Err(format!(
                "{verb} {template} is bound to {} already ({})",
                other.grpc_path, other.template
            ));
        }
        at.ends.push(self.routes.len());
        tracing::trace!(%verb, template, method = method.full_name(), "route");
        Ok(variables)
    }

    fn output(&mut self, method: &MethodDescriptor, response_body: &str) -> Result<Output, String> {
        if method.output().full_name() == "google.api.HttpBody" {
            return Ok(Output::Raw);
        }
        let id = self
            .schema
            .message(&method.output())
            .map_err(|error| error.to_string())?;
        match response_body {
            "" if self.schema.is_empty(id) => Ok(Output::Empty),
            "" => Ok(Output::Message(id)),
            name => {
                let place = self.schema.position(id, name);
                Ok(Output::Field(
                    id,
                    place.ok_or_else(|| format!("response_body: no field {name} in the response"))?,
                ))
            }
        }
    }
}

fn pattern(binding: &HttpRule) -> Result<(Method, &str), String> {
    match &binding.pattern {
        Some(Pattern::Get(path)) => Ok((Method::GET, path)),
        Some(Pattern::Put(path)) => Ok((Method::PUT, path)),
        Some(Pattern::Post(path)) => Ok((Method::POST, path)),
        Some(Pattern::Delete(path)) => Ok((Method::DELETE, path)),
        Some(Pattern::Patch(path)) => Ok((Method::PATCH, path)),
        Some(Pattern::Custom(custom)) => {
            let verb = Method::from_bytes(custom.kind.as_bytes())
                .map_err(|error| format!("custom verb: {error}"))?;
            Ok((verb, &custom.path))
        }
        None => Err("google.api.http names no verb".into()),
    }
}

fn is_meta(field: &FieldDescriptor) -> bool {
    let message = field
        .kind()
        .as_message()
        .map(|message| message.full_name() == META);
    message.unwrap_or(false) && !field.is_list()
}

fn grpc_path(method: &MethodDescriptor) -> Result<PathAndQuery, String> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    path.parse().map_err(|error| format!("{path}: {error}"))
}

fn status(number: u32, otherwise: StatusCode) -> Result<StatusCode, String> {
    if number == 0 {
        return Ok(otherwise);
    }
    let number = u16::try_from(number).map_err(|error| error.to_string())?;
    StatusCode::from_u16(number).map_err(|error| format!("status {number}: {error}"))
}

/// The option `extension` of `method`, `None` if it does not have it.
fn option<T: prost::Message + Default>(
    method: &MethodDescriptor,
    extension: &ExtensionDescriptor,
) -> Result<Option<T>, StartError> {
    let options = method.options();
    if !options.has_extension(extension) {
        return Ok(None);
    }
    let value = options.get_extension(extension).into_owned();
    let message = value
        .as_message()
        .map(DynamicMessage::transcode_to::<T>)
        .transpose();
    message.map_err(|error| StartError::new(method.full_name(), error))
}
