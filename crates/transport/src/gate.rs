//! Who may call what: one table for every method of both protocols.
//!
//! Keeps true: a method that is not in the table is called by nobody; a refusal is a typed status that says who may.

use crate::accept::refused;
use crate::{ClusterToken, Identity, Role};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;

/// A method and who may call it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `/PACKAGE.SERVICE/METHOD`.
    pub method: &'static str,
    /// Whose certificates open it.
    pub roles: &'static [Role],
}

const fn rule(method: &'static str, roles: &'static [Role]) -> Rule {
    Rule { method, roles }
}

/// Every method of the cluster's ports.
pub const RULES: &[Rule] = &[
    rule("/conclave.expert.v1.Experts/Run", &[Role::Gateway]),
    rule("/conclave.expert.v1.Weights/Read", &[Role::ExpertNode]),
    rule("/conclave.coordinator.v1.Coordinator/Register", &[Role::ExpertNode]),
    rule("/conclave.coordinator.v1.Coordinator/Heartbeat", &[Role::ExpertNode]),
    rule("/conclave.coordinator.v1.Coordinator/Watch", &[Role::Gateway, Role::ExpertNode, Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/ReportLoad", &[Role::Gateway]),
    rule("/conclave.coordinator.v1.Coordinator/Status", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/History", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/Explain", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/Change", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/Rebalance", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/WhatIf", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/AddCoordinator", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Coordinator/RemoveCoordinator", &[Role::Operator]),
    rule("/conclave.coordinator.v1.Raft/Append", &[Role::Coordinator]),
    rule("/conclave.coordinator.v1.Raft/Vote", &[Role::Coordinator]),
    rule("/conclave.coordinator.v1.Raft/PreVote", &[Role::Coordinator]),
    rule("/conclave.coordinator.v1.Raft/Snapshot", &[Role::Coordinator]),
    rule("/conclave.coordinator.v1.Raft/TransferLeader", &[Role::Coordinator]),
    rule("/conclave.coordinator.v1.Raft/Identify", &[Role::Coordinator]),
];

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A process of this machine, over loopback or a Unix socket: no role is asked for.
    Here,
    /// Whoever the certificate names.
    Proved(Arc<Identity>),
    /// Somebody whose certificate is the authority's but names no role.
    Nobody,
}

impl Caller {
    /// Whether this is the node `name`, as far as roles are asked for.
    pub fn is_node(&self, name: &str) -> bool {
        match self {
            Self::Here => true,
            Self::Proved(identity) => identity.role == Role::ExpertNode && identity.name == name,
            Self::Nobody => false,
        }
    }

    fn may_call(&self, method: &str) -> Result<(), Status> {
        let Some(rule) = RULES.iter().find(|rule| rule.method == method) else {
            return Err(Status::unimplemented(format!("{method} is not served here")));
        };
        let who = match self {
            Self::Here => return Ok(()),
            Self::Proved(identity) if rule.roles.contains(&identity.role) => return Ok(()),
            Self::Proved(identity) => identity.to_string(),
            Self::Nobody => "a certificate that names no role".to_owned(),
        };
        let may: Vec<&str> = rule.roles.iter().map(|role| role.name()).collect();
        let may = may.join(" or ");
        refused("role", &format!("{who} called {method}"));
        Err(Status::permission_denied(format!(
            "{who} may not call {method}; it takes a certificate of a {may}, see `conclave ca issue --role`"
        )))
    }
}

/// A service behind the table and the token.
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    token: ClusterToken,
}

impl<S> Gate<S> {
    /// `inner`, for callers that the table allows and who send `token`.
    pub fn new(inner: S, token: ClusterToken) -> Self {
        Self { inner, token }
    }
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Send + 'static>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Every listener of ours says who calls; a connection without that is nobody's.
        let caller = request.extensions().get::<Caller>().unwrap_or(&Caller::Nobody);
        let allowed = caller.may_call(request.uri().path()).and_then(|()| {
            if self.token.opens(request.headers()) {
                return Ok(());
            }
            refused("token", &request.uri().path());
            Err(Status::unauthenticated("the cluster token is missing or wrong; set CONCLAVE_CLUSTER_TOKEN"))
        });
        match allowed {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn proved(role: Role) -> Caller {
        Caller::Proved(Arc::new(Identity::new(role, "a").unwrap()))
    }

    #[test]
    fn each_role_calls_its_own_methods_and_no_other() {
        let may = |role| {
            let rules = RULES.iter().filter(|rule| proved(role).may_call(rule.method).is_ok());
            rules.map(|rule| rule.method.rsplit('/').next().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(may(Role::Gateway), "Run Watch ReportLoad");
        assert_eq!(may(Role::ExpertNode), "Read Register Heartbeat Watch");
        assert_eq!(may(Role::Coordinator), "Append Vote PreVote Snapshot TransferLeader Identify");
        assert_eq!(
            may(Role::Operator),
            "Watch Status History Explain Change Rebalance WhatIf AddCoordinator RemoveCoordinator"
        );
    }

    #[test]
    fn nobody_calls_anything_and_nothing_unknown_is_called() {
        assert!(RULES.iter().all(|rule| Caller::Nobody.may_call(rule.method).is_err()));
        assert!(RULES.iter().all(|rule| Caller::Here.may_call(rule.method).is_ok()));
        let unknown = Caller::Here.may_call("/conclave.expert.v1.Experts/Steal").unwrap_err();
        assert_eq!(unknown.code(), Code::Unimplemented);
        let refused = proved(Role::Gateway).may_call("/conclave.coordinator.v1.Raft/Vote").unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("gateway `a` may not call"), "{}", refused.message());
    }

    #[test]
    fn a_certificate_registers_the_node_it_names() {
        assert!(Caller::Here.is_node("b") && proved(Role::ExpertNode).is_node("a"));
        assert!(!proved(Role::ExpertNode).is_node("b") && !proved(Role::Gateway).is_node("a"));
    }
}
