import { chromium } from "playwright-core";
const [url,pw,id]=process.argv.slice(2);
const b=await chromium.launch({executablePath:"/usr/bin/chromium",args:["--no-sandbox","--disable-gpu","--disable-background-networking"]});
for (const [name,at,opt] of [["dashboard","/",{viewport:{width:1280,height:900}}],["notification",`/notifications/${id}`,{viewport:{width:1280,height:900},colorScheme:"dark"}],["compose-phone","/notifications/new",{viewport:{width:390,height:844}}],["users","/users",{viewport:{width:1280,height:800}}]]) {
  const c=await b.newContext({baseURL:url,...opt}); const p=await c.newPage();
  await p.goto("/login"); await p.getByLabel("Name").fill("admin"); await p.getByLabel("Password").fill(pw); await p.getByRole("button",{name:"Log in"}).click(); await p.getByRole("heading",{name:"Dashboard"}).waitFor();
  await p.goto(at); await p.waitForTimeout(500);
  if(name==="compose-phone"){ await p.getByLabel("Title").fill("Lunch is ready"); await p.getByLabel("Message").fill("Soup of the day: pumpkin"); }
  await p.screenshot({path:`/tmp/qa/readme-${name}.png`}); await c.close();
}
await b.close();
