// qrgate-rails: `gem build`, and a fresh project of `rails new` with its own sign-in. It needs only Debian's gems and no
// registry.

import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../process.mjs';

const FOLDER = path.join(ROOT, 'integrations/rails');

/** The application before it gets the gem. The boxes of the page go to the marked places. */
const FILES = {
  'config/routes.rb': `Rails.application.routes.draw do
  root "home#show"
  get "/session/new", to: "sessions#new"
  post "/session", to: "sessions#create"
  post "/session/end", to: "sessions#destroy"
end
`,
  'app/controllers/application_controller.rb': `class ApplicationController < ActionController::Base
  helper_method :current_user

  def current_user
    User.find_by(id: session[:user_id])
  end
end
`,
  'app/controllers/home_controller.rb': `class HomeController < ApplicationController
  def show; end
end
`,
  'app/controllers/sessions_controller.rb': `class SessionsController < ApplicationController
  def new; end

  def create
    reset_session
    session[:user_id] = User.find_by(name: params[:username])&.id
    redirect_to "/", status: :see_other
  end

  def destroy
    reset_session
    redirect_to "/", status: :see_other
  end
end
`,
  'app/views/home/show.html.erb': `<h1>Notes</h1>
<% if current_user %>
  <p>You are signed in as <%= current_user.name %>.</p>
  <!-- signed in -->
  <%= form_with url: "/session/end", local: true do %><button>Sign out</button><% end %>
<% else %>
  <p>You are not signed in.</p>
  <a href="/session/new">Sign in</a>
<% end %>
`,
  'app/views/sessions/new.html.erb': `<h1>Sign in</h1>
<%= form_with url: "/session", local: true do %><input name="username"><input name="password" type="password"><button>Sign in</button><% end %>
<!-- sign-in page -->
`,
  'app/views/layouts/application.html.erb': '<!doctype html><html lang="en"><title>Notes</title><link rel="icon" href="data:,"><%= yield %></html>\n',
};

export default {
  stack: 'rails',
  name: 'qrgate-rails',
  cookie: '_notes_session',
  features: { rotating: true, version: 1, authTime: true, stay: true },
  env: (folder) => ({ GEM_PATH: `${folder}/gems:` }), // the colon at the end adds the usual folders

  async build(folder, run) {
    await run(`gem build --silent qrgate-rails.gemspec --output ${folder}/qrgate-rails.gem`, { cwd: FOLDER });
    await run(`gem install --silent --local --ignore-dependencies --no-document --install-dir ${folder}/gems ${folder}/qrgate-rails.gem`, { cwd: folder });
    return `${folder}/qrgate-rails.gem`;
  },

  async generate(folder, run) {
    const inFolder = { cwd: folder };
    await run('rails new . --minimal --skip-bundle --skip-git --skip-test --skip-sprockets --skip-listen > /dev/null', inFolder);
    await run("sed -i '/byebug/d' Gemfile && bundle install --quiet --local", inFolder);
    await run('bin/rails generate model User name active:boolean > /dev/null && bin/rails db:migrate > /dev/null', inFolder);
    await appendFile(path.join(folder, 'config/environments/development.rb'), 'Rails.application.config.hosts.clear # the contract has other hosts\n');
    for (const [name, text] of Object.entries(FILES)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), text);
    }
    await run(`bin/rails runner '%w[ana bob cleo].each { |name| User.create!(name: name, active: name != "cleo") }'`, inFolder);
  },

  /** Puts the two helpers into the pages. The generator writes the first box. */
  async add(folder, boxes) {
    const [button, link] = boxes[1].text.trim().split('\n');
    for (const [name, place, added] of [
      ['app/views/home/show.html.erb', '<!-- signed in -->', button],
      ['app/views/sessions/new.html.erb', '<!-- sign-in page -->', link],
    ]) {
      const file = path.join(folder, name);
      await writeFile(file, (await readFile(file, 'utf8')).replace(place, added));
    }
  },

  /** `bundle add` contacts a registry even for an installed gem. */
  install: (commands) => commands.replace('bundle add qrgate-rails', `echo 'gem "qrgate-rails"' >> Gemfile; bundle install --quiet --local`),

  command: ['bash', ['-c', 'exec bin/rails server --pid "tmp/pids/$PORT.pid"']],
};
