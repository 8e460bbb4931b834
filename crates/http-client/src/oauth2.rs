//! Tokens of an OAuth 2.0 server (RFC 6749, 4.4), or for a signed assertion (RFC 7523).
//!
//! A token is kept until shortly before its end and shared by all connections of a client. One of
//! them asks; those that wait meanwhile get what came of it, a failure too. A secret in a file is
//! read for every request: when it changed, so does the token.

mod answer;
mod assertion;
mod options;

use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use yaml::Secret;

use self::answer::{Answer, BYTES_MAX, Token};
pub use self::options::{Grant, OAuth2Options, Signature};
use crate::auth;
use crate::config::JWT_BEARER;
use crate::error::{Error, Failure};
use crate::options::{Auth, ClientOptions};
use crate::{Client, Request};

/// How long before its end a token is not used any more.
const RENEW_BEFORE: Duration = Duration::from_secs(10);

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
        let fields = self.fields(vec![
            ("grant_type", JWT_BEARER.to_owned()),
            ("assertion", assertion.clone()),
        ])?;
        let asked = self.ask(fields, None, &[assertion], deadline).await;
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
        let mut fields = self.fields(vec![("grant_type", "client_credentials".to_owned())])?;
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
        self.ask(fields, authorization, &hidden, deadline).await
    }

    /// `fields` with those of the configuration, which may replace the grant's type only.
    fn fields<'a>(
        &'a self,
        mut fields: Vec<(&'a str, String)>,
    ) -> Result<Vec<(&'a str, String)>, Failure> {
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
        Ok(fields)
    }

    /// `hidden`: what no error may show, should the server repeat it.
    async fn ask(
        &self,
        mut fields: Vec<(&str, String)>,
        authorization: Option<HeaderValue>,
        hidden: &[String],
        deadline: Instant,
    ) -> Result<Token, Failure> {
        let text = &self.options.token_url;
        let url =
            Url::parse(text).map_err(|err| Failure::Token(format!("parse {text:?}: {err}")))?;
        let mut request = Request::get(url);
        request.method = Method::POST;
        // In the order the reference has them.
        fields.sort();
        request.body = Bytes::from(form(&fields));
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
