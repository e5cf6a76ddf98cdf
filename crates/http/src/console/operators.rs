//! The page of operators, and the change of one's own password.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use tidings_core::auth::LOGIN_LASTS;
use tidings_core::error::ChangeError;
use tidings_core::model::{Operator, Role};

use super::answer::{html, html_with, see};
use super::failure::Failure;
use super::filters;
use super::form::{Form, Posted};
use super::operator::cookie;
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
    match app.core.auth.put_operator(&page.actor(), &name, &password, role).await {
        // Whose password it was are logged out everywhere, and in again here.
        Ok(()) if name == page.operator => app.logged_in_again(&name, "/operators?done=saved").await,
        Ok(()) => Ok(see("/operators?done=saved")),
        Err(ChangeError::Invalid(errors)) => {
            form.wrong_fields(&errors, str::to_owned);
            app.operators_page(page, form).await
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

pub(crate) async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, form } = posted;
    page.to_administer()?;
    app.core.auth.remove_operator(&page.actor(), form.value("name")).await?;
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
    let changed = app.core.auth.change_own_password(&page.operator, &current, &password, page.source);
    match changed.await {
        Ok(()) => {}
        Err(ChangeError::Invalid(errors)) => {
            form.wrong_fields(&errors, str::to_owned);
            return Ok(html_with(StatusCode::UNPROCESSABLE_ENTITY, &PasswordPage { page, form }));
        }
        Err(error) => return Err(Problem::from(error).into()),
    }
    app.logged_in_again(&page.operator, "/password?done=password").await
}

impl AppState {
    /// A new login for an operator who has just shown who they are, whose other ones have ended.
    async fn logged_in_again(&self, operator: &str, next: &str) -> Result<Response, Failure> {
        let secret = self.core.auth.start_web_session(operator).await?;
        let cookie = cookie(&self.settings, &secret, LOGIN_LASTS);
        Ok(([(SET_COOKIE, cookie)], see(next)).into_response())
    }

    async fn operators_page(&self, page: Page, form: Form) -> Result<Response, Failure> {
        page.to_administer()?;
        let operators = self.core.auth.operators().await?;
        let fault = form.summary();
        let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok(html_with(status, &ListPage { page, operators, form, fault }))
    }
}
