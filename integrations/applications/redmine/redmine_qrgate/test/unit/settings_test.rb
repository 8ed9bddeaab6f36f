# frozen_string_literal: true

require File.expand_path('../test_helper', __dir__)

class QrgateSettingsTest < ActiveSupport::TestCase
  include QrgateTestHelper

  Settings = RedmineQrgate::Settings

  test 'an origin that is not set is that of the site' do
    configure(origins: '')
    Setting.protocol = 'https'
    Setting.host_name = 'projects.example.com:8443/redmine'
    assert_equal ['https://projects.example.com:8443'], Settings.configuration.origins
    configure
    assert_equal [ORIGIN], Settings.configuration.origins
  end

  test 'a secret that is not set comes from the environment' do
    configure(secret: '')
    assert_raises(QRGate::ConfigurationError) { Settings.configuration.keys }
    ENV['QRGATE_HOOK_SECRET'] = QrgateTestHelper.secret('b')
    assert_equal ['b' * 32], Settings.configuration.keys
    configure
    assert_equal ['a' * 32], Settings.configuration.keys
  ensure
    ENV.delete('QRGATE_HOOK_SECRET')
  end

  test 'invalid secrets and origins have a message' do
    good = { 'secret' => "#{SECRET} #{QrgateTestHelper.secret('b')}", 'origins' => "#{ORIGIN} http://localhost:8080" }
    assert_nil Settings.error(good)
    assert_nil Settings.error(good.merge('secret' => ''))
    assert_equal :error_qrgate_secret, Settings.error(good.merge('secret' => 'whsec_c2hvcnQ='))
    assert_equal :error_qrgate_origins, Settings.error(good.merge('origins' => 'redmine.example.com'))
    assert_equal :error_qrgate_origins, Settings.error(good.merge('origins' => "#{ORIGIN}/redmine"))
  end

  test 'administrators are allowed by a setting only' do
    configure
    assert Settings.allows?(User.new)
    assert_not Settings.allows?(User.new(admin: true))
    configure(administrators: '1')
    assert Settings.allows?(User.new(admin: true))
  end

  test 'a Redmine in a folder has its paths below it' do
    assert_not_includes Settings.proxy_settings, '[tickets]'
    before = Redmine::Utils.relative_url_root
    Redmine::Utils.relative_url_root = '/redmine'
    assert_equal '/redmine/qr/', Settings.ticket_path
    ['path = "/redmine/qr/"', 'path = "/redmine/_qr/whoami"', 'login_url = "/redmine/login?back_url={return}"'].each do |line|
      assert_includes Settings.proxy_settings, line
    end
  ensure
    Redmine::Utils.relative_url_root = before
  end

  test 'every language has every text' do
    files = Dir[File.expand_path('../../config/locales/*.yml', __dir__)]
    texts = files.to_h { |file| [File.basename(file, '.yml'), YAML.load_file(file).values.first] }
    assert_equal %w[de en es fr ru zh], texts.keys.sort
    texts.each { |language, of_language| assert_equal texts['en'].keys, of_language.keys, language }
  end
end
