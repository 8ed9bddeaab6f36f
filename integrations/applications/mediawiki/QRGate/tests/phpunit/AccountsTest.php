<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Tests;

use MediaWiki\Block\Restriction\NamespaceRestriction;
use MediaWiki\Extension\QRGate\Accounts;
use MediaWikiIntegrationTestCase;
use User;

/**
 * @covers \MediaWiki\Extension\QRGate\Accounts
 * @group Database
 */
class AccountsTest extends MediaWikiIntegrationTestCase {
	private function accounts( ?object $secondFactors = null ): Accounts {
		$services = $this->getServiceContainer();
		return new Accounts(
			$services->getMainConfig(), $services->getUserFactory(), $services->getUserIdentityLookup(), $secondFactors
		);
	}

	private function isFound( User $user ): bool {
		return $this->accounts()->find( (string)$user->getId() ) !== null;
	}

	private function block( User $user, array $options = [], array $restrictions = [] ): void {
		$status = $this->getServiceContainer()->getBlockUserFactory()->newBlockUser(
			$user, User::newSystemUser( 'Test blocker', [ 'steal' => true ] ), 'infinity', '', $options, $restrictions
		)->placeBlockUnsafe();
		$this->assertStatusIsGood( $status );
	}

	private function assertStatusIsGood( $status ): void {
		$this->assertTrue( $status->isGood(), (string)$status );
	}

	public function testAnAccountIsFoundByItsIdAsText() {
		$user = $this->getMutableTestUser()->getUser();
		$this->assertTrue( $user->equals( $this->accounts()->find( (string)$user->getId() ) ) );
	}

	/**
	 * @dataProvider provideOtherIds
	 */
	public function testAnythingElseFindsNobody( $id ) {
		$this->assertNull( $this->accounts()->find( $id ) );
	}

	public static function provideOtherIds() {
		return array_map( static fn ( $id ) => [ $id ], [ '999999', '0', '-1', '03', '3x', "3\n", '', 'Ana', 3, null, [ '3' ], '99999999999999999999' ] );
	}

	public function testAdministratorsAreFoundOnlyIfTheSettingSaysSo() {
		foreach ( [ 'sysop', 'bureaucrat', 'interface-admin', 'suppress' ] as $group ) {
			$user = $this->getMutableTestUser( $group )->getUser();
			$this->overrideConfigValue( 'QRGateAllowAdministrators', false );
			$this->assertFalse( $this->isFound( $user ), $group );
			$this->overrideConfigValue( 'QRGateAllowAdministrators', true );
			$this->assertTrue( $this->isFound( $user ), $group );
		}
	}

	public function testABlockFromTheWholeSiteRefusesAndAPartialOneDoesNot() {
		$user = $this->getMutableTestUser()->getUser();
		$this->block( $user );
		$this->assertFalse( $this->isFound( $user ) );
		$partial = $this->getMutableTestUser()->getUser();
		$this->block( $partial, [ 'isPartial' => true ], [ new NamespaceRestriction( 0, NS_HELP ) ] );
		$this->assertTrue( $this->isFound( $partial ) );
	}

	public function testAHiddenAccountIsRefused() {
		$user = $this->getMutableTestUser()->getUser();
		$this->block( $user, [ 'isHideUser' => true ] );
		$this->assertFalse( $this->isFound( $user ) );
	}

	public function testASystemUserIsRefused() {
		$this->assertFalse( $this->isFound( User::newSystemUser( 'MediaWiki default', [ 'steal' => true ] ) ) );
	}

	public function testAnAccountWithASecondFactorIsRefused() {
		$user = $this->getMutableTestUser()->getUser();
		$this->assertFalse( $this->accounts( $this->secondFactors( true ) )->mayUseCodes( $user ) );
		$this->assertTrue( $this->accounts( $this->secondFactors( false ) )->mayUseCodes( $user ) );
		$this->assertTrue( $this->getServiceContainer()->getService( 'QRGate.Accounts' )->mayUseCodes( $user ), 'OATHAuth' );
	}

	/** As OATHAuth's repository. */
	private function secondFactors( bool $isEnabled ): object {
		return new class( $isEnabled ) {
			private bool $isEnabled;

			public function __construct( bool $isEnabled ) {
				$this->isEnabled = $isEnabled;
			}

			public function findByUser( User $user ): object {
				return $this;
			}

			public function getModule(): ?object {
				return $this->isEnabled ? $this : null;
			}
		};
	}
}
