use std::fmt;

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder,
    http::{Method, header},
    web,
};

use crate::problem::Problem;

/// One path, the methods that it answers to, and who answers. All else is a 405 that names them; OPTIONS names them too
/// (RFC 9110, section 9.3.7).
pub(crate) struct Endpoint {
    path: &'static str,
    methods: Vec<Method>,
    resource: Resource,
}

impl Endpoint {
    /// A path that answers to nothing yet.
    pub(crate) fn at(path: &'static str) -> Self {
        Self { path, methods: Vec::new(), resource: web::resource(path) }
    }

    /// Answers to GET, and to HEAD without the body.
    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler.clone()).on(Method::HEAD, handler)
    }

    /// Answers to one further method.
    pub(crate) fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.push(method.clone());
        self.resource = self.resource.route(web::method(method).to(handler));
        self
    }

    /// What is registered with the framework.
    pub(crate) fn into_resource(self) -> Resource {
        let allow = self.allow();
        let other = move |request: HttpRequest| {
            let allow = allow.clone();
            async move {
                if request.method() == Method::OPTIONS {
                    Ok(HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish())
                } else {
                    Err(Problem::MethodNotAllowed { allow })
                }
            }
        };
        self.resource.default_service(web::to(other))
    }

    /// The path as it was given.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// The methods that handlers answer to.
    #[cfg(test)]
    pub(crate) fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The value of `Allow`.
    fn allow(&self) -> String {
        let names: Vec<_> = self.methods.iter().chain([&Method::OPTIONS]).map(Method::as_str).collect();
        names.join(", ")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("path", &self.path).field("methods", &self.methods).finish_non_exhaustive()
    }
}
