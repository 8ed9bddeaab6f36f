# frozen_string_literal: true

# Signatures, stores of accepted calls, settings, and the generator, which need no running application.

$LOAD_PATH.unshift(File.expand_path("../lib", __dir__))
require "minitest/autorun"
require "rails"
require "action_controller/railtie"
require "rails/generators/test_case"
require "qrgate-rails"
require "generators/qrgate/install/install_generator"

module Tests
  ORIGIN = "https://app.example.com"

  def self.secret
    "whsec_#{[SecureRandom.bytes(32)].pack("m0")}"
  end

  # Settings that remember calls in a Hash.
  def self.configuration(**settings)
    store = Object.new
    used = {}
    store.define_singleton_method(:add) { |key, _seconds| used.key?(key) ? false : used[key] = true }
    QRGate::Configuration.new.tap do |configuration|
      { secret: secret, origins: ORIGIN, replay: store, **settings }.each { |name, value| configuration.send("#{name}=", value) }
    end
  end
end

class SignatureTest < Minitest::Test
  def setup
    @secret = Tests.secret
    @configuration = Tests.configuration(secret: [Tests.secret, @secret])
  end

  def call(body: content, id: "msg", timestamp: Time.now.to_i, secret: @secret, signature: nil, path: "/_qr/login")
    signature ||= "v1,#{[OpenSSL::HMAC.digest("SHA256", secret.delete_prefix("whsec_").unpack1("m"), "#{id}.#{timestamp}.#{body}")].pack("m0")}"
    headers = { "webhook-id" => id, "webhook-timestamp" => timestamp.to_s, "webhook-signature" => signature }
    QRGate::Signature.accepted(body, headers, type: "qr.login", path: path, configuration: @configuration)
  end

  def content(**fields)
    { type: "qr.login", method: "POST", origin: Tests::ORIGIN, url: "#{Tests::ORIGIN}/_qr/login", user_id: "1", name: "Zoë" }.merge(fields).to_json
  end

  def test_a_good_call_gives_its_message_once
    assert_equal "1", call["user_id"]
    assert_nil call
    assert_equal "1", call(timestamp: Time.now.to_i + 1)["user_id"]
  end

  def test_the_time_may_differ_by_a_minute
    assert call(timestamp: Time.now.to_i - 55)
    [Time.now.to_i - 65, Time.now.to_i + 65, "", "soon", "-1"].each { |timestamp| assert_nil call(timestamp: timestamp), timestamp }
  end

  def test_a_call_for_something_else_is_refused
    { type: "qr.revoke", method: "GET", origin: "https://other.example", url: "#{Tests::ORIGIN}/other" }.each do |name, value|
      assert_nil call(body: content(name => value)), name
    end
    assert_nil call(path: "/blog/_qr/login")
    ["[]", "null", "1", "", "{"].each { |body| assert_nil call(body: body), body }
  end

  def test_what_is_not_signed_with_one_of_the_keys_is_refused
    assert_nil call(secret: Tests.secret)
    ["", "v1,", "v1", "v2,abc", "v1,abc v1,def", "\xff"].each { |signature| assert_nil call(signature: signature), signature }
  end
end

class ReplayTest < Minitest::Test
  def test_files_take_a_key_once_also_when_processes_race
    Dir.mktmpdir do |folder|
      store = QRGate::Replay::Files.new(File.join(folder, "used"))
      codes = 8.times.map { fork { exit!(store.add("a:1", 900) ? 0 : 1) } }.map { |pid| Process.wait2(pid).last.exitstatus }
      assert_equal [0] + [1] * 7, codes.sort
      assert store.add("a:2", 900)
    end
  end

  def test_files_forget_a_key_after_its_time
    Dir.mktmpdir do |folder|
      store = QRGate::Replay::Files.new(folder)
      assert store.add("a:1", 900)
      File.utime(Time.now - 901, Time.now - 901, *Dir.glob("#{folder}/*"))
      assert store.add("a:1", 900)
    end
  end

  def test_a_shared_cache_adds_only_new_keys
    cache = Minitest::Mock.new
    cache.expect(:write, nil, ["qrgate:used:a:1", "1"], unless_exist: true, expires_in: 900)
    refute QRGate::Replay::Cache.new(cache).add("a:1", 900)
    cache.verify
  end

  def test_caches_that_are_not_shared_or_not_atomic_are_not_used
    [ActiveSupport::Cache::NullStore.new, ActiveSupport::Cache::MemoryStore.new, ActiveSupport::Cache::FileStore.new("/nonexistent")].each do |cache|
      assert_kind_of QRGate::Replay::Files, QRGate::Replay.default(cache, "/nonexistent")
    end
    redis = Class.new { def self.name = "ActiveSupport::Cache::RedisCacheStore" }
    assert_kind_of QRGate::Replay::Cache, QRGate::Replay.default(redis.new, "/nonexistent")
  end
end

class ConfigurationTest < Minitest::Test
  def with_environment(**variables)
    before = ENV.to_h
    ENV.update(variables.transform_keys(&:to_s))
    yield
  ensure
    ENV.replace(before)
  end

  def test_missing_short_and_malformed_secrets_are_refused
    short = "whsec_#{["x" * 31].pack("m0")}"
    [nil, "", [], short, [Tests.secret, short], "whsec_", "correct horse battery staple, forty characters"].each do |secret|
      assert_raises(QRGate::ConfigurationError, secret.inspect) { Tests.configuration(secret: secret).keys }
    end
  end

  def test_missing_and_malformed_origins_are_refused
    [nil, "", "app.example.com", "#{Tests::ORIGIN}/", "#{Tests::ORIGIN}/blog", "https://", "ftp://app.example.com"].each do |origin|
      assert_raises(QRGate::ConfigurationError, origin.inspect) { Tests.configuration(origins: origin).origins }
    end
    assert_equal [Tests::ORIGIN, "http://localhost:8080"], Tests.configuration(origins: "#{Tests::ORIGIN} http://localhost:8080").origins
  end

  def test_the_environment_gives_secrets_and_origins
    with_environment(QRGATE_HOOK_SECRET: "#{Tests.secret} #{Tests.secret}", QRGATE_ORIGINS: Tests::ORIGIN) do
      assert_equal [2, [Tests::ORIGIN]], [QRGate::Configuration.new.keys.length, QRGate::Configuration.new.origins]
    end
    Tempfile.create do |file|
      file.write("#{Tests.secret}\n")
      file.flush
      with_environment(QRGATE_HOOK_SECRET_FILE: file.path) { assert_equal 1, QRGate::Configuration.new.keys.length }
    end
  end
end

# An application that has no engine, such as Redmine's plugin.
class HooksTest < Minitest::Test
  LIBRARY = File.expand_path("../lib", __dir__)

  class Controller < ActionController::Base
    include QRGate::Hooks
    singleton_class.attr_accessor :user

    private

    def accounts
      Struct.new(:current) { def id_of(_) = "1"; def name_of(_) = "Ana"; def allowed?(_) = true }.new(self.class.user)
    end
  end

  def test_the_hooks_are_actions_of_a_controller_with_accounts_of_its_own
    assert_equal %w[login revoke whoami], Controller.action_methods.sort
    { nil => [401, "{}"], :ana => [200, %({"qrgate":1,"user_id":"1","name":"Ana","allow":true})] }.each do |user, expected|
      Controller.user = user
      status, fields, body = Controller.action(:whoami).call(Rack::MockRequest.env_for("/", "rack.session" => {}))
      assert_equal [*expected, "no-store"], [status, body.each.to_a.join, fields["Cache-Control"]]
    end
  end

  def test_the_library_without_the_engine_adds_nothing_to_an_application
    code = 'require "rails"; require "action_controller/railtie"; require "qrgate"; exit!(defined?(QRGate::Engine) ? 1 : 0)'
    assert system(Gem.ruby, "-W0", "-I", LIBRARY, "-e", code)
  end

  def test_a_chosen_length_becomes_that_of_the_cookie
    session = Struct.new(:values, :options) { def loaded? = true; def [](key) = values[key] }
    lengths = { nil => :kept, "browser" => nil, Time.now.to_i + 3600 => 3600, Time.now.to_i - 5 => 0 }
    lengths.each do |ends, expected|
      one = session.new({ QRGate::Stay::KEY => ends }, { expire_after: :kept })
      QRGate::Stay.apply(one)
      expected.is_a?(Integer) ? assert_in_delta(expected, one.options[:expire_after], 2) : assert_equal([expected], [one.options[:expire_after]])
    end
  end
end

class InstallGeneratorTest < Rails::Generators::TestCase
  tests QRGate::Generators::InstallGenerator
  destination Dir.mktmpdir("qrgate-rails")
  Minitest.after_run { FileUtils.rm_rf(destination_root) }

  def test_it_mounts_the_hooks_and_writes_an_initializer
    prepare_destination
    FileUtils.mkdir_p(File.join(destination_root, "config"))
    File.write(File.join(destination_root, "config/routes.rb"), "Rails.application.routes.draw do\nend\n")
    run_generator
    assert_equal "qrgate:install", QRGate::Generators::InstallGenerator.namespace
    assert_file "config/routes.rb", %r{mount QRGate::Engine => "/_qr"}
    assert_file("config/initializers/qrgate.rb") { |text| RubyVM::InstructionSequence.compile(text) }
  end
end

class PackageTest < Minitest::Test
  ROOT = File.expand_path("../../..", __dir__)

  def test_the_licences_are_those_of_the_repository
    %w[LICENSE-MIT LICENSE-APACHE].each do |name|
      assert_equal File.read(File.join(ROOT, name)), File.read(File.join(ROOT, "integrations/rails", name))
    end
  end
end
