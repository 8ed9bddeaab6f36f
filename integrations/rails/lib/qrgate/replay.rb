# frozen_string_literal: true

require "digest"
require "fileutils"

module QRGate
  # Stores of accepted calls. `add(key, seconds)` returns whether the key is new, in one atomic step.
  module Replay
    # Caches that processes share, and in which `unless_exist` is atomic.
    SHARED = %w[ActiveSupport::Cache::RedisCacheStore ActiveSupport::Cache::MemCacheStore].freeze

    FILES_ONLY = "qrgate: Rails.cache is %s, which cannot keep the accepted calls, so tmp/qrgate has them. That is enough " \
                 "for the processes of one computer. With several, use :redis_cache_store or :mem_cache_store, or set " \
                 "config.replay"

    # The cache, where it is shared and atomic; otherwise files.
    def self.default(cache, folder)
      SHARED.include?(cache.class.name) ? Cache.new(cache) : Files.new(folder)
    end

    # In Redis or memcached, by Rails.cache.
    class Cache
      def initialize(cache)
        @cache = cache
      end

      def add(key, seconds)
        @cache.write("qrgate:used:#{key}", "1", unless_exist: true, expires_in: seconds) ? true : false
      end
    end

    # In a folder that all processes of this computer share. Creating a file that must not exist is atomic.
    class Files
      def initialize(folder)
        @folder = folder.to_s
      end

      def add(key, seconds)
        FileUtils.mkdir_p(@folder, mode: 0o700)
        forget(seconds)
        path = File.join(@folder, Digest::SHA256.hexdigest(key))
        File.open(path, File::WRONLY | File::CREAT | File::EXCL, 0o600, &:close)
        true
      rescue Errno::EEXIST
        false
      end

      private

      def forget(seconds)
        oldest = Time.now - seconds
        Dir.each_child(@folder) do |name|
          path = File.join(@folder, name)
          File.delete(path) if File.mtime(path) < oldest
        rescue Errno::ENOENT
          next # another process has deleted it
        end
      end
    end
  end
end
