# frozen_string_literal: true

library = File.expand_path('vendor/qrgate-rails', __dir__)
$LOAD_PATH.unshift(library) unless $LOAD_PATH.include?(library)
require 'qrgate'

Redmine::Plugin.register :redmine_qrgate do
  name 'qrgate'
  author 'The qrgate authors'
  description 'Sign in on a phone by scanning a code: the hooks, the button and the link for qrgate.'
  version '0.1.0'
  requires_redmine version_or_higher: '5.0'
  settings default: RedmineQrgate::Settings::DEFAULTS, partial: 'settings/redmine_qrgate'
end

RedmineQrgate::Hooks.instance # a listener registers when its class is loaded
ApplicationController.prepend RedmineQrgate::ApplicationControllerPatch
SettingsController.prepend RedmineQrgate::SettingsControllerPatch
