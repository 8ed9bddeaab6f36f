# frozen_string_literal: true

module RedmineQrgate
  # Redmine stores the form of a plugin's settings as it is. This keeps a secret that is not typed again, and refuses
  # invalid values.
  module SettingsControllerPatch
    def plugin
      return super unless request.post? && params[:id] == 'redmine_qrgate'

      typed = params.fetch(:settings, {}).permit(*Settings::DEFAULTS.keys).to_h
      typed['secret'] = Settings.stored['secret'] if typed['secret'].blank?
      if (error = Settings.error(typed))
        flash[:error] = l(error)
        redirect_to plugin_settings_path('redmine_qrgate')
      else
        params[:settings] = typed.transform_values(&:strip)
        super
      end
    end
  end
end
