//! The page of operators, and the change of one's own password.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use tidings_core::auth::{AuthError, RegisterError};
use tidings_core::model::{Operator, Role};

use super::answer::{html, html_with, see};
use super::failure::Failure;
use super::filters;
use super::form::{Form, Posted};
use super::page::Page;
use crate::problem::Problem;
use crate::state::{App, AppState};

#[derive(Template)]
#[template(path = "operators.html")]
struct ListPage {
    page: Page,
    operators: Vec<Operator>,
    form: Form,
    fault: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, page: Page) -> Result<Response, Failure> {
    app.operators_page(page, Form::default()).await
}

pub(crate) async fn put(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    page.to_administer()?;
    let name = form.value("name").trim().to_owned();
    let password = form.value("password").to_owned();
    form.forget("password");
    let role = Role::parse(form.value("role")).unwrap_or(Role::Viewer);
    if name == page.operator && role != Role::Administrator {
        form.wrong("name", "you cannot take your own role away");
        return app.operators_page(page, form).await;
    }
    match app.core.auth.put_operator(&name, &password, role).await {
        Ok(()) => {
            // The operator's logins with the old password or role end.
            if name != page.operator {
                app.core.store.end_web_sessions(None, Some(&name)).await?;
            }
            app.audit(&page.operator, "operator.put", &format!("{name} ({})", role.as_str())).await?;
            Ok(see("/operators?done=saved"))
        }
        Err(RegisterError::NotAcceptable(why)) => {
            form.wrong(if why.contains("password") { "password" } else { "name" }, why);
            app.operators_page(page, form).await
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

pub(crate) async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, form } = posted;
    page.to_administer()?;
    let name = form.value("name");
    if name == page.operator {
        return Err(Problem::field("name", "you cannot remove yourself").into());
    }
    if !app.core.store.remove_operator(name).await? {
        return Err(Problem::not_found("there is no such operator").into());
    }
    app.audit(&page.operator, "operator.remove", name).await?;
    Ok(see("/operators?done=removed"))
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    page: Page,
    form: Form,
}

pub(crate) async fn password_form(page: Page) -> Response {
    html(&PasswordPage { page, form: Form::default() })
}

pub(crate) async fn change_password(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    let (current, password) = (form.value("current").to_owned(), form.value("password").to_owned());
    form.forget("current");
    form.forget("password");
    match app.core.auth.check_operator(&page.operator, &current, page.source).await {
        Ok(_) => {}
        Err(AuthError::NotAuthorized | AuthError::Disabled) => {
            form.wrong("current", "this is not your password");
            return Ok(html_with(StatusCode::UNPROCESSABLE_ENTITY, &PasswordPage { page, form }));
        }
        Err(error) => return Err(Problem::from(error).into()),
    }
    match app.core.auth.put_operator(&page.operator, &password, page.role).await {
        Ok(()) => {}
        Err(RegisterError::NotAcceptable(why)) => {
            form.wrong("password", why);
            return Ok(html_with(StatusCode::UNPROCESSABLE_ENTITY, &PasswordPage { page, form }));
        }
        Err(error) => return Err(Problem::from(error).into()),
    }
    app.core.store.end_web_sessions(None, Some(&page.operator)).await?;
    app.audit(&page.operator, "operator.password", &page.operator).await?;
    let cookie = app.log_in(&page.operator).await?;
    Ok(([(SET_COOKIE, cookie)], see("/password?done=password")).into_response())
}

impl AppState {
    async fn operators_page(&self, page: Page, form: Form) -> Result<Response, Failure> {
        page.to_administer()?;
        let operators = self.core.store.operators().await?;
        let fault = form.summary();
        let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok(html_with(status, &ListPage { page, operators, form, fault }))
    }
}
