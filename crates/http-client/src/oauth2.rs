//! Tokens of an OAuth 2.0 server (RFC 6749, 4.4), or for a signed assertion (RFC 7523).
//!
//! A token is kept until shortly before its end and shared by all connections of a client. One of
//! them asks; those that wait meanwhile get what came of it, a failure too. A secret in a file is
//! read for every request: when it changed, so does the token.

mod answer;
mod assertion;

use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use yaml::{Secret, Tree};

use self::answer::{Answer, BYTES_MAX, Token};
use crate::auth;
use crate::config::{JWT_BEARER, Oauth2};
use crate::error::{Error, Failure};
use crate::options::{Auth, ClientOptions, Text, TlsOptions, text};
use crate::proxy::ProxyOptions;
use crate::{Client, Request};

/// How long before its end a token is not used any more.
const RENEW_BEFORE: Duration = Duration::from_secs(10);

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth2Options {
    /// Client.
    pub client_id: String,
    /// Its secret, or with [`Grant::JwtBearer`] the key in PEM that signs for it.
    pub secret: Text,
    /// What is shown for a token.
    pub grant: Grant,
    /// What the token is to be good for.
    pub scopes: Vec<String>,
    /// Where it is asked for.
    pub token_url: String,
    /// More form fields; with [`Grant::ClientCredentials`] only.
    pub endpoint_params: Vec<(String, String)>,
    /// TLS to the token server.
    pub tls: TlsOptions,
    /// Proxies to the token server.
    pub proxy: ProxyOptions,
}

/// What is shown for a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Grant {
    /// Id and secret of the client.
    ClientCredentials,
    /// An assertion that the client signs.
    JwtBearer {
        /// How it is signed.
        signature: Signature,
        /// Id of the key; empty for none.
        key_id: String,
        /// Who asserts; the client if empty.
        iss: String,
        /// Whom it is for; the token's URL if empty.
        audience: String,
        /// More claims.
        claims: Map<String, Value>,
    },
}

/// RSA signatures of assertions (RFC 7518, 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// With SHA-256.
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
}

impl From<&Oauth2> for OAuth2Options {
    /// From a validated configuration.
    fn from(config: &Oauth2) -> Self {
        let asserts = config.grant_type == JWT_BEARER;
        let (inline, file) = match asserts {
            true => (
                &config.client_certificate_key,
                &config.client_certificate_key_file,
            ),
            false => (&config.client_secret, &config.client_secret_file),
        };
        let claims = config.claims.iter();
        let grant = match asserts {
            false => Grant::ClientCredentials,
            true => Grant::JwtBearer {
                signature: match config.signature_algorithm.as_str() {
                    "RS384" => Signature::Rs384,
                    "RS512" => Signature::Rs512,
                    _ => Signature::Rs256,
                },
                key_id: config.client_certificate_key_id.clone(),
                iss: config.iss.clone(),
                audience: config.audience.clone(),
                claims: claims
                    .map(|(name, value)| (name.clone(), json(value)))
                    .collect(),
            },
        };
        Self {
            client_id: config.client_id.clone(),
            secret: text(inline, file),
            grant,
            scopes: config.scopes.clone(),
            token_url: config.token_url.clone(),
            endpoint_params: config.endpoint_params.clone().into_iter().collect(),
            tls: TlsOptions::from(&config.tls_config),
            proxy: ProxyOptions::from(&config.proxy),
        }
    }
}

/// A value of the configuration as JSON has it; numbers that JSON does not have become null.
fn json(tree: &Tree) -> Value {
    let pairs = |pairs: &[(String, Tree)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), json(value)));
        Value::Object(pairs.collect())
    };
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::from(*value),
        Tree::Int(value) => Value::from(*value),
        Tree::Uint(value) => Value::from(*value),
        Tree::Float(value) => Value::from(*value),
        Tree::Text(value) => Value::from(value.as_str()),
        Tree::Sequence(values) | Tree::FlowSequence(values) => values.iter().map(json).collect(),
        Tree::Record(values) | Tree::Map(values) => pairs(values),
    }
}

fn form(fields: &[(&str, String)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The tokens of one client.
#[derive(Debug)]
pub(crate) struct TokenSource {
    options: OAuth2Options,
    client: Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The secret that the rest was had with.
    secret: Secret,
    token: Option<Token>,
    /// Where the server wants id and secret, once it took them.
    place: Option<Place>,
    failure: Option<(Instant, String)>,
}

/// Where id and secret of the client stand in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Form,
}

impl TokenSource {
    pub(crate) fn new(options: &OAuth2Options, user_agent: &str) -> Result<Self, Error> {
        let client = ClientOptions {
            auth: Auth::None,
            tls: options.tls.clone(),
            proxy: options.proxy.clone(),
            http2: false,
            ..ClientOptions::default()
        };
        Ok(Self {
            options: options.clone(),
            client: Client::new(client, user_agent)?,
            state: Mutex::default(),
        })
    }

    /// The value of `Authorization`, with a token that is valid now.
    pub(crate) async fn authorization(&self, deadline: Instant) -> Result<String, Failure> {
        let started = Instant::now();
        let secret = auth::read(&self.options.secret, "oauth2 client secret").await?;
        let mut state = self.state.lock().await;
        if state.secret.expose() != secret {
            *state = State {
                secret: Secret::new(secret),
                ..State::default()
            };
        }
        if let Some(token) = &state.token
            && token.is_fresh(RENEW_BEFORE)
        {
            return Ok(token.authorization());
        }
        if let Some((at, text)) = &state.failure
            && *at >= started
        {
            return Err(Failure::Token(text.clone()));
        }
        match self.fetch(&mut state, deadline).await {
            Ok(token) => {
                let authorization = token.authorization();
                state.token = Some(token);
                Ok(authorization)
            }
            // Others may have more time.
            Err(Failure::Timeout) => Err(Failure::Timeout),
            Err(failure) => {
                let text = failure.to_string();
                state.failure = Some((Instant::now(), text.clone()));
                Err(Failure::Token(text))
            }
        }
    }

    async fn fetch(&self, state: &mut State, deadline: Instant) -> Result<Token, Failure> {
        let Grant::JwtBearer { .. } = &self.options.grant else {
            return self.fetch_by_secret(state, deadline).await;
        };
        let (options, secret) = (self.options.clone(), state.secret.clone());
        // A signature takes a millisecond.
        let sign = move || assertion::sign(&options, &secret);
        let signed = tokio::task::spawn_blocking(sign).await;
        let assertion = signed.map_err(|err| Failure::Token(err.to_string()))??;
        let fields = [
            ("assertion", assertion),
            ("grant_type", JWT_BEARER.to_owned()),
        ];
        let hidden = [fields[0].1.clone()];
        let asked = self.ask(form(&fields), None, &hidden, deadline).await;
        asked.map_err(|failure| match failure {
            Failure::Token(text) if text.starts_with("oauth2: ") => Failure::Token(text),
            Failure::Timeout => Failure::Timeout,
            other => Failure::Token(format!("oauth2: cannot fetch token: {other}")),
        })
    }

    /// Tries the header first and the form then, unless it is known what the server wants.
    async fn fetch_by_secret(
        &self,
        state: &mut State,
        deadline: Instant,
    ) -> Result<Token, Failure> {
        let secret = state.secret.expose();
        if let Some(place) = state.place {
            return self.ask_by_secret(place, secret, deadline).await;
        }
        let mut place = Place::Header;
        let mut asked = self.ask_by_secret(place, secret, deadline).await;
        if asked
            .as_ref()
            .is_err_and(|failure| !matches!(failure, Failure::Timeout))
        {
            place = Place::Form;
            asked = self.ask_by_secret(place, secret, deadline).await;
        }
        if asked.is_ok() {
            state.place = Some(place);
        }
        asked
    }

    async fn ask_by_secret(
        &self,
        place: Place,
        secret: &str,
        deadline: Instant,
    ) -> Result<Token, Failure> {
        let id = &self.options.client_id;
        let mut fields = vec![("grant_type", "client_credentials".to_owned())];
        if !self.options.scopes.is_empty() {
            fields.push(("scope", self.options.scopes.join(" ")));
        }
        for (name, value) in &self.options.endpoint_params {
            match fields.iter_mut().find(|(field, _)| field == name) {
                Some((field, old)) if *field == "grant_type" => old.clone_from(value),
                Some(_) => {
                    let text = format!("oauth2: cannot overwrite parameter {name:?}");
                    return Err(Failure::Token(text));
                }
                None => fields.push((name, value.clone())),
            }
        }
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(id), encode(secret));
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        let hidden = [secret.to_owned(), encode(secret), pair];
        let mut authorization = None;
        if place == Place::Header {
            authorization = Some(auth::header_value(&format!("Basic {}", hidden[2]))?);
        } else {
            fields.retain(|(name, _)| !matches!(*name, "client_id" | "client_secret"));
            fields.push(("client_id", id.clone()));
            if !secret.is_empty() {
                fields.push(("client_secret", secret.to_owned()));
            }
        }
        // In the order the reference has them.
        fields.sort();
        let form = form(&fields);
        self.ask(form, authorization, &hidden, deadline).await
    }

    /// `hidden`: what no error may show, should the server repeat it.
    async fn ask(
        &self,
        form: String,
        authorization: Option<HeaderValue>,
        hidden: &[String],
        deadline: Instant,
    ) -> Result<Token, Failure> {
        let text = &self.options.token_url;
        let url =
            Url::parse(text).map_err(|err| Failure::Token(format!("parse {text:?}: {err}")))?;
        let mut request = Request::get(url);
        request.method = Method::POST;
        request.body = Bytes::from(form);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, kind);
        if let Some(authorization) = authorization {
            request.headers.insert(AUTHORIZATION, authorization);
        }
        let mut connection = self.client.connection();
        // The way of a client without OAuth 2.0, but the compiler cannot know.
        let sent = Box::pin(connection.send(request, deadline)).await;
        let mut response = sent.map_err(|err| match err {
            Error::Request {
                failure: Failure::Timeout,
                ..
            } => Failure::Timeout,
            other => Failure::Token(other.to_string()),
        })?;
        let body = response.body.collect(BYTES_MAX).await;
        let body =
            body.map_err(|err| Failure::Token(format!("oauth2: cannot fetch token: {err}")))?;
        let answer = Answer {
            status: response.status,
            kind: response.headers.get(CONTENT_TYPE),
            body: &body,
            asserted: self.options.grant != Grant::ClientCredentials,
            hidden,
        };
        answer.read().map_err(Failure::Token)
    }
}
