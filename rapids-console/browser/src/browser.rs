//! A browser, and what is asked of a page.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement,
};
use tokio::time::{Instant, sleep};

use crate::DEADLINE;

/// How often it is looked whether something has come.
const LOOK: Duration = Duration::from_millis(50);

/// A browser with one page. Its processes end with it.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    process: Child,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on a light ground.
    Light,
    /// The other way round.
    Dark,
}

/// How large a page is shown, and in which theme.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The theme that the reader prefers.
    pub theme: Theme,
}

impl Look {
    /// A notebook.
    #[must_use]
    pub fn desk(theme: Theme) -> Self {
        Self { width: 1280, height: 800, theme }
    }

    /// A telephone.
    #[must_use]
    pub fn phone(theme: Theme) -> Self {
        Self { width: 390, height: 844, theme }
    }

    /// Both sizes in both themes.
    #[must_use]
    pub fn all() -> [Self; 4] {
        let [light, dark] = [Theme::Light, Theme::Dark];
        [Self::desk(light), Self::desk(dark), Self::phone(light), Self::phone(dark)]
    }

    /// A name for files, such as `phone-dark`.
    #[must_use]
    pub fn name(self) -> String {
        let size = if self.width < 600 { "phone" } else { "desk" };
        format!("{size}-{}", if self.theme == Theme::Dark { "dark" } else { "light" })
    }
}

impl Browser {
    /// Starts a browser of the size of a notebook.
    ///
    /// # Errors
    /// If Chromium or its driver is missing.
    pub async fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver is missing: `apt-get install chromium chromium-driver`")?;
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ] {
            capabilities.add_arg(argument)?;
        }
        capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
        let url = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + DEADLINE;
        let driver = loop {
            match WebDriver::new(&url, capabilities.clone()).await {
                Ok(driver) => break driver,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => sleep(LOOK).await,
            }
        };
        let browser = Self { driver, process };
        browser.look(Look::desk(Theme::Light)).await?;
        Ok(browser)
    }

    /// Shows pages like this from now on.
    ///
    /// # Errors
    /// Those of the browser, as for everything here.
    pub async fn look(&self, look: Look) -> Result<()> {
        let Look { width, height, theme } = look;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await?;
        let theme = if theme == Theme::Dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        // Colours pass into each other: it looks so once they have.
        let settled = "const done = arguments[arguments.length - 1];
            requestAnimationFrame(() => requestAnimationFrame(() => Promise.allSettled(
                document.getAnimations().map((it) => it.finished)).then(() => done())));";
        self.driver.execute_async(settled, Vec::new()).await?;
        Ok(())
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn open(&self, url: &str) -> Result<()> {
        Ok(self.driver.goto(url).await?)
    }

    /// Goes to an address, again and again until the page has this text.
    ///
    /// # Errors
    /// If it has not in time.
    pub async fn open_until(&self, url: &str, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.open(url).await?;
            let text = self.text().await?;
            if text.contains(wanted) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("waited for `{wanted}` at {url}: {text}");
            }
            sleep(LOOK).await;
        }
    }

    /// The address of the page.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn address(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.to_string())
    }

    /// Waits until there is an element, and returns the first.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn element(&self, selector: &str) -> Result<WebElement> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(element) = self.driver.find_all(By::Css(selector)).await?.into_iter().next()
            {
                return Ok(element);
            }
            if Instant::now() > deadline {
                bail!("there is no `{selector}` in {}", self.text().await?);
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until there is no such element any more.
    ///
    /// # Errors
    /// If there is one all the time.
    pub async fn gone(&self, selector: &str) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        while self.count(selector).await? > 0 {
            if Instant::now() > deadline {
                bail!("there still is `{selector}` in {}", self.text().await?);
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        Ok(self.driver.find_all(By::Css(selector)).await?.len())
    }

    /// The text of the page that is to be seen.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn text(&self) -> Result<String> {
        let text = self.script("return document.body.innerText", json!([])).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the text of the page is as it is to be, and returns it.
    ///
    /// # Errors
    /// If it is not in time.
    pub async fn text_until(&self, is_there: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let text = self.text().await?;
            if is_there(&text) {
                return Ok(text);
            }
            if Instant::now() > deadline {
                bail!("the page did not become what it was to be: {text}");
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until the page has this text.
    ///
    /// # Errors
    /// If it has not in time.
    pub async fn text_with(&self, wanted: &str) -> Result<String> {
        let waiting = self.text_until(|text| text.contains(wanted)).await;
        waiting.with_context(|| format!("waited for `{wanted}`"))
    }

    /// Runs a script, and returns what it returns.
    ///
    /// # Errors
    /// If it throws.
    pub async fn script(&self, script: &str, arguments: Value) -> Result<Value> {
        let arguments = arguments.as_array().cloned().unwrap_or_default();
        Ok(self.driver.execute(script, arguments).await?.json().clone())
    }

    /// What is wrong with the page for people who cannot see it or use no mouse, as axe-core finds it, and
    /// whether it is wider than the window; nothing is how it is to be.
    ///
    /// # Errors
    /// If `AXE` does not name the script of axe-core, which `just test-browser` fetches.
    pub async fn faults(&self) -> Result<Vec<String>> {
        let path = std::env::var("AXE").context("AXE names the script of axe-core")?;
        self.script(&std::fs::read_to_string(path)?, json!([])).await?;
        let run = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map(
                (it) => `${it.id} (${it.impact}): ${it.help}: ` +
                    it.nodes.slice(0, 5).map((node) => node.html.slice(0, 200)).join(' | '))),
                (error) => done([String(error)]));";
        let found = self.driver.execute_async(run, Vec::new()).await?;
        let found = found.json().as_array().cloned().unwrap_or_default();
        let mut faults: Vec<_> =
            found.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect();
        let is_wide = "return document.documentElement.scrollWidth > window.innerWidth + 1";
        if self.script(is_wide, json!([])).await? == true {
            faults.push("the page is wider than the window".to_owned());
        }
        Ok(faults)
    }

    /// What the browser complained of since it was asked last, such as a script that was not run.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.driver.browser_log().await?;
        Ok(log.into_iter().map(|entry| entry.message).collect())
    }

    /// How many bytes the scripts of the page hold, after what is not used has been collected.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn heap(&self) -> Result<u64> {
        self.cdp("HeapProfiler.collectGarbage", json!({})).await?;
        let heap = self.cdp("Runtime.getHeapUsage", json!({})).await?;
        heap["usedSize"].as_f64().map(|size| size as u64).context("the browser tells no size")
    }

    /// Writes a picture of what is to be seen.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        Ok(self.driver.screenshot(path).await?)
    }

    async fn cdp(&self, command: &str, parameters: Value) -> Result<Value> {
        Ok(self.driver.cdp().send_raw(command, parameters).await?)
    }

    /// Closes the browser.
    ///
    /// # Errors
    /// Those of the browser.
    pub async fn close(self) -> Result<()> {
        Ok(self.driver.clone().quit().await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
